"""What the network that a ticket is drawn from has lost already.

Sparsity counts from the dense network, whatever a draw starts from. Nothing that is dead upstream
comes back to life: one-shot and iterative pruning go on from the mask, a learned mask and controls,
which need all weights, refuse it.
"""

from collections.abc import Mapping
from typing import Any

from rtickets.draw.omp import removed_before
from rtickets.errors import InputError
from rtickets.runs import run_identity
from rtickets.runs.folders import StartingTicket
from rtickets.settings import config_files
from rtickets.stages.draw_settings import DrawConfig
from rtickets.tickets.description import stages_in
from rtickets.tickets.ticket import Ticket, read_description


def check_dense(source: StartingTicket, why: str) -> None:
    """Refuse a network that is pruned already; `why` says what needs all its weights."""
    sparsity = read_description(source.ticket)["sparsity"]["prunable"]
    if sparsity:
        raise InputError(
            f"{source.ticket} is pruned already, by {sparsity:.6g}; {why}; give a dense network"
        )


def removed(source: StartingTicket, config: DrawConfig) -> float:
    """Return the fraction of the prunable weights that a network has lost, 0 for a dense one.

    For a ticket that was drawn with the same expressions it is the sparsity that was asked for,
    else what its mask lacks.
    """
    if not read_description(source.ticket)["sparsity"]["prunable"]:
        return 0.0
    ticket = Ticket.load(source.ticket)
    drawn = [entry for entry in stages_in(ticket.meta) if entry.get("stage") == "draw"]
    last = drawn[-1] if drawn else {}
    asked = last.get("control") != "perturbed"  # which is of another sparsity
    if asked and all(last.get(n) == getattr(config, n) for n in ("prunable", "exclude")):
        return float(last["sparsity"])
    return removed_before(ticket.params, ticket.mask, config.prunable, config.exclude)


def goes_on(config: DrawConfig, meta: Mapping[str, Any]) -> bool:
    """Whether a ticket is a state of the very chain that a draw by iterative pruning goes down.

    It is if it was drawn with this configuration but for the sparsity, so that its weights have
    been set back, and its momentum kept, as the states that follow will be.
    """
    entry = dict((stages_in(meta) or [{}])[-1])
    if entry.pop("stage", None) != "draw":
        return False
    own = config_files.replace(config, sparsity=entry.get("sparsity", config.sparsity))
    return not run_identity.changed_fields(config_files.to_dict(own), entry)
