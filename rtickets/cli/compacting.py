"""The verb `rtickets compact`."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtickets.cli.verb import EXIT_HELP, Verb, check_folder, path_of, refuse_config
from rtickets.errors import InputError, printable

if TYPE_CHECKING:
    from rtickets.tickets.ticket import Ticket

_HELP = f"""
TICKET is a ticket's folder, the run folder that holds one, or latest:PREFIX. Channels
whose filters are dead, or that nothing alive reads, are taken out; what dead ones still emit is
added to the weights of others. DIR becomes a ticket as any other, with the same answers: transfer,
evaluate, draw from and export it. What is not dead in whole channels stays.
{EXIT_HELP}"""
_SIZES = (1, 64)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticket", metavar="TICKET", help="the ticket")
    parser.add_argument(
        "--out", required=True, type=path_of, metavar="DIR", help="the ticket to write"
    )
    parser.add_argument(
        "--batch-sizes",
        type=_sizes,
        default=_SIZES,
        metavar="B,...",
        help="examples at once in the measured latency (default: 1,64; 0 measures none)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _compact(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.runs import folders
    from rtickets.tickets.compaction import compact
    from rtickets.tickets.ticket import Ticket

    refuse_config("compact", config_words)
    if options.out.exists():  # before anything is traced, which takes a while
        raise InputError(f"{options.out} exists; choose another --out")
    check_folder(options.out.parent, "the ticket")
    path = folders.find_ticket(options.ticket).ticket
    ticket = Ticket.load(path)
    made = compact(ticket)
    made.ticket.save(options.out)
    found = {
        **made.report,
        "bytes": [_bytes(path), _bytes(options.out)],
        "milliseconds": {
            str(size): _milliseconds(ticket, made.ticket, size) for size in options.batch_sizes
        },
    }
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(lines(found)))
        print(printable(f"done: {options.out}"))


def lines(found: dict[str, Any]) -> list[str]:
    """Say what became of a ticket, a line a fact, before and after."""
    facts = [
        ("parameters", *(f"{n:,}" for n in found["parameters"]), _times(found["parameters"])),
        ("multiply-adds an example", *(f"{n:,}" for n in found["multiply_adds"]),
         _times(found["multiply_adds"])),
        ("bytes on disk", *(f"{n:,}" for n in found["bytes"]), _times(found["bytes"])),
        *((f"latency of {size}, ms", *(f"{ms:.3g}" for ms in both), _times(both))
          for size, both in found["milliseconds"].items()),
    ]  # fmt: skip
    table = [f"{name:<26}{before:>16}{after:>16}  {times}" for name, before, after, times in facts]
    share = found["max_difference"] / max(found["largest_output"], 1e-30)
    return [
        f"{'':<26}{'before':>16}{'after':>16}",
        *table,
        f"answers differ by at most {found['max_difference']:.2g}, {share:.1g} of the largest",
    ]


def _times(pair: Sequence[float]) -> str:
    return f"{pair[0] / pair[1]:.2f}x" if pair[1] else ""


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _milliseconds(before: "Ticket", after: "Ticket", size: int) -> list[float]:
    """Return the latency of both networks, measured by turns."""
    import jax

    from rtickets import masks
    from rtickets.costs.latency import by_turns
    from rtickets.tickets.compaction import network

    calls = {}
    for name, ticket in (("before", before), ("after", after)):
        model, answers, inputs = network.network_of(ticket.meta, network.HEAD in ticket.params)
        params = masks.apply(ticket.mask, ticket.params)
        variables = jax.device_put(network.variables_of(params, ticket.batch_stats))
        examples = jax.device_put(network.examples_of(inputs, size))
        run = jax.jit(
            lambda variables, x, model=model, answers=answers: answers(model, variables, x)
        )
        calls[name] = lambda run=run, variables=variables, x=examples: run(variables, x)
    found = by_turns(calls)
    return [1000 * found[name] for name in ("before", "after")]


def _sizes(text: str) -> tuple[int, ...]:
    """Parse numbers of examples with commas between them; 0 alone is none."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or (text != "0" and 0 in map(int, parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers; give such as 1,64, or 0")
    return () if text == "0" else tuple(map(int, parts))


COMPACT = Verb(_compact, "make a ticket a physically smaller network", _add_options, _HELP)
