"""The model card of a ticket: what people see of it, written from its provenance."""

from collections.abc import Iterable, Mapping, Sequence

from rtickets import masks
from rtickets.errors import printable
from rtickets.masks import Count
from rtickets.tickets import provenance
from rtickets.tickets.hub import Address
from rtickets.tickets.ticket import Ticket

_HEAD = """---
library_name: rtickets
license: "{license}"
tags:
- robust-tickets
- sparse
- jax
---

# {name}

A ticket of `rtickets`: a mask and the weights it inherits. Loading it reads arrays and executes
nothing.

    pip install 'rtickets[hub]'
    rtickets pull {address} --sha256={digest} --out=DIR

or, from Python, `rtickets.Ticket.load("{bare}@COMMIT")`. The digest is that of
`ticket.json`, which holds those of the other two files.
"""


def card(
    ticket: Ticket,
    address: Address,
    digest: str,
    license_name: str,
    measured: Mapping[str, Sequence[str]],
) -> str:
    """Return the card in Markdown.

    Args:
        address: where the ticket goes.
        digest: SHA-256 of its `ticket.json`.
        license_name: of the weights, as the hub calls it.
        measured: of every evaluation, by name, its lines: measures with intervals, verdicts.
    """
    name = address.repository.partition("/")[2]
    bare = Address(address.repository, None)
    about = {"license": license_name, "name": name, "address": address, "bare": bare}
    parts = [_HEAD.format(digest=digest, **about)]
    history = provenance.history_lines(ticket.meta) or ["it does not say"]
    parts += ["## How it came about", _block(history)]
    parts += ["`ticket.json` has the whole configuration of every stage, under `meta.history`."]
    summary = masks.summary(ticket.mask, ticket.params)
    counts = (("prunable weights", summary.prunable), ("all parameters", summary.parameters))
    parts += ["## What is left", _block(_count(*each) for each in counts)]
    parts += ["## Measured"]
    if not measured:
        parts += ["Nothing: no evaluation was given when it was published."]
    for label, lines in measured.items():
        parts += [f"`{_plain(label)}`, 95% intervals in brackets:", _block(lines)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _count(name: str, count: Count) -> str:
    return f"{name}: {count.survivors:,} of {count.total:,} live (sparsity {count.sparsity:.4g})"


def _block(lines: Iterable[str]) -> str:
    """Show text that a ticket or a run holds as it is: nothing of it is markup."""
    text = "\n".join(_plain(line) for line in lines)
    return f"```text\n{text}\n```"


def _plain(text: str) -> str:
    return printable(text).replace("`", "'")
