"""What the first state of iterative pruning begins with, and all are set back to.

`Imp.start` and `Imp.rewind` make that network, once for a whole chain. What becomes of its parts in
every state is in `rtickets.stages.ways.imp_parts`.
"""

from pathlib import Path
from typing import Any

from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs.folders import StartingTicket, folder_of, run_once
from rtickets.settings import config_files
from rtickets.settings.kinds import is_never, to_steps
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.train import Ready, prepare, save_ticket, train_network, training_result
from rtickets.stages.upstream import goes_on
from rtickets.stages.ways.imp_parts import new_weights, policy, remember, train_config
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket, read_description


def own_steps(config: DrawConfig, steps_per_epoch: int) -> tuple[int, int]:
    """Return the (first, last) step of the schedule that every state is trained for.

    The first is that after which weights are set back to, 0 where they are not trained before.

    Raises:
        InputError: if training does not go on after it.
    """
    own, duration = policy(config), train_config(config).duration
    first = 0 if own.rewind in ("best", "none") else to_steps(own.rewind, steps_per_epoch)
    total = to_steps(duration, steps_per_epoch)
    last = total if own.stop is None else to_steps(own.stop, steps_per_epoch)
    if last > total:
        raise InputError(f"method.stop={own.stop!r} is after {duration!r}, the end of train")
    if first >= last:
        where = f"{duration!r}, the end" if own.stop is None else f"method.stop={own.stop!r}"
        raise InputError(
            f"method.rewind={own.rewind!r} is not before {where}"
            if first
            else f"{where} trains nothing; give at least '1it'"
        )
    return first, last


def rewind_point(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> StartingTicket:
    """Return the network that the first state begins with and, unless never, all are set back to.

    It is that of `source` where nothing is to be done to it, or where that is a state of the same
    chain, which has been set back already.
    """
    own = policy(config)
    untrained = own.rewind == "none" or (own.rewind != "best" and is_never(own.rewind))
    if own.start == "pretrained" and untrained:
        return source
    if goes_on(config, read_description(source.ticket)["meta"]):
        return source
    dense = config_files.replace(config, sparsity=0.0)

    def body(folder: Path) -> dict[str, Any]:
        ready, task = ready_for(dense, Ticket.load(source.ticket))
        if own.start == "random":
            params, stats = new_weights(ready, train_config(dense).seed)
            ready = ready._replace(params=params, batch_stats=stats)
        meta = provenance.extend(ready.meta, "rewind", dense, task, train_config(dense).seed)
        if untrained:
            return save_ticket(folder, Ticket(ready.mask, ready.params, ready.batch_stats, meta))
        run = ready.run(train_config(dense), folder, devices)
        best = own.rewind == "best"
        run = run._replace(
            config=config_files.replace(run.config, select="best" if best else "last")
        )
        steps = None if best else (0, own_steps(dense, run.steps_per_epoch)[0])
        outcome = train_network(run, (ready.params, ready.batch_stats), ready.mask, steps=steps)
        save_ticket(folder, Ticket(ready.mask, outcome.params, outcome.batch_stats, meta))
        both = (outcome.opt_state, "optimizer"), (outcome.carry, "carry")
        kept = [each if getattr(own, name) == "rewind" else None for each, name in both]
        remember(dense, folder, ready.mask, *kept)
        return training_result(folder, outcome)

    return run_once(folder_of(workdir, "rewind", name, dense, source), body).source


def ready_for(config: DrawConfig, ticket: Ticket) -> tuple[Ready, DataConfig]:
    """Return the ticket ready for the task, by default the one it was trained on."""
    task = config.data or provenance.last_task(ticket.meta)[0]
    return prepare(ticket, task, train_config(config).seed, keep_head=True), task
