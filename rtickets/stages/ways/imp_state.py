"""One state of iterative pruning: train the survivors, remove the smallest, set the others back."""

from pathlib import Path
from typing import Any

from rtickets.draw import draw_omp
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.soundness import check_of
from rtickets.stages.train import Ready, save_ticket, train_network, training_result
from rtickets.stages.upstream import goes_on
from rtickets.stages.ways import imp_parts
from rtickets.stages.ways.imp_parts import GoesWith, policy, train_config
from rtickets.stages.ways.rewinding import own_steps, ready_for
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training.selection import Outcome


def draw_state(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Leave the ticket of one state.

    Args:
        config: of the draw; its sparsity is that of the state.
        source: the state before, or the network that the first begins with.
    """

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        going_on = goes_on(config, ticket.meta)
        ready, task = ready_for(config, ticket)
        ready = imp_parts.begun(config, ready)
        meta = provenance.name_layouts(
            ready.meta, ready.params, config.prunable, config.exclude, config.layouts
        )
        own = {"start": ready.mask, "layouts": meta.get("layouts")}
        options: dict[str, Any] = {**config.omp_options(), **own}
        goes_with = imp_parts.remembered(config, source, ready, going_on)
        outcome = None
        if going_on or policy(config).first == "train":
            untold = {"criterion": "random", "say": _not_yet, **options}
            draw_omp(ready.params, config.sparsity, **untold)  # fails before training if it must
            outcome = _train(config, ready, goes_with, folder, devices)
        trained = (ready.params, ready.batch_stats)
        if outcome is not None:
            trained = (outcome.params, outcome.batch_stats)
        notes: list[str] = []
        mask = draw_omp(trained[0], config.sparsity, **options, say=notes.append)
        # The mask is of the trained weights, the weights are those that the policy says.
        params, stats = imp_parts.ended(config, ready, trained)
        meta = provenance.extend(meta, "draw", config, task, train_config(config).seed)
        drawn = Ticket(mask, params, stats, meta)
        imp_parts.pass_on(config, folder, mask, goes_with, outcome)
        result = save_ticket(folder, drawn, notes, check_of(config.check, devices))
        if outcome is None:
            return result
        return {**result, "training": training_result(folder, outcome)}

    return run_once(folder_of(workdir, "draw", name, config, source), body)


def _train(
    config: DrawConfig, ready: Ready, goes_with: GoesWith, folder: Path, devices: parallel.Devices
) -> Outcome:
    run = ready.run(train_config(config), folder, devices)
    weights, steps = (ready.params, ready.batch_stats), own_steps(config, run.steps_per_epoch)
    return train_network(run, weights, ready.mask, steps=steps, **goes_with._asdict())


def _not_yet(_: str) -> None:
    """Leave what a draw says to the one that counts."""
