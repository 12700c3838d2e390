"""Iterative magnitude pruning: train, prune a little, rewind, again (Frankle & Carbin 2019).

Every state is a stage of its own with a ticket. Its folder depends on the states before, so that
longer chains reuse shorter ones. With an adversarial objective this is A-IMP (Fu et al. 2023).

A network that is pruned already is gone on from: its dead weights stay dead, the ladder goes on
from its sparsity, which counts from the dense network as all others do, and weights are set back to
its own, trained for `rewind` with its mask. A ticket that this very configuration left has been
set back already, so that the states that follow are those of a chain that was never interrupted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from rtickets import training
from rtickets.data.settings import DataConfig
from rtickets.draw import draw_omp
from rtickets.draw.ladder import states_to
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Duration, Fraction, is_never, to_steps
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.soundness import check_of
from rtickets.stages.train import (
    Ready,
    TrainingRun,
    prepare,
    save_ticket,
    train_network,
    training_result,
    write_ticket,
)
from rtickets.stages.upstream import goes_on, removed
from rtickets.stages.ways.base import WayConfig
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket, read_description
from rtickets.training import HEAD, optimizer_arrays
from rtickets.training.settings import TrainConfig

_OPTIMIZER = "momentum"  # folder of the optimiser's state, kept beside a ticket


@dataclass(frozen=True, config=STRICT)
class Imp(WayConfig):
    """Iterative magnitude pruning: train, prune a little, rewind, again.

    With an adversarial `train.objective` it is A-IMP.

    A ticket that is pruned already is gone on from: its dead weights stay dead, and the ladder goes
    on from its sparsity, counted from the dense network.

    Attributes:
        rate: fraction removed per state; the last state removes what is left to `sparsity`.
        of: whether the rate counts from the 'survivors' of the state before or the 'original'.
        rewind: weights go back to the network of `ticket` trained for so long, with its mask;
            '0it' is itself. A ticket that the same settings left has been set back already.
        statistics: of normalisation: 'rewind' them too, or 'keep' the trained ones.
        head: likewise.
        optimizer: 'reset' it in every state, or 'keep' what it remembers of the survivors.
    """

    name: Literal["imp"] = "imp"
    rate: Fraction = 0.2
    of: Literal["survivors", "original"] = "survivors"
    rewind: Duration = "0it"
    statistics: Literal["rewind", "keep"] = "rewind"
    head: Literal["rewind", "keep"] = "rewind"
    optimizer: Literal["reset", "keep"] = "reset"
    trains = in_states = True
    unused = ("recalibrate",)

    def problems(self, config: DrawConfig) -> Iterator[str]:
        """Yield that nothing is there to keep."""
        if self.optimizer == "keep" and config.train and not config.train.optimizer.moments:
            yield "method.optimizer='keep' has no momentum to keep; set 'reset'"

    def states(self, sparsity: float, removed: float) -> int:
        """Return the number of states on the ladder."""
        return len(states_to(sparsity, self.rate, self.of, removed))

    def check_run(self, config: DrawConfig, steps_per_epoch: int) -> None:
        """Raise InputError unless training goes on after the rewind point."""
        rewind_steps(config, steps_per_epoch)

    def run(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Go down the ladder, see `iterate`."""
        return iterate(config, source, workdir, name, devices)

    def dense(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> StartingTicket:
        """Return the network that every state is set back to, see `rewind_point`."""
        return rewind_point(config, source, workdir, name, devices)


def _own(config: DrawConfig) -> Imp:
    assert isinstance(config.method, Imp)  # who runs it knows
    return config.method


def iterate(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Go down the ladder of sparsities to the one asked for; return the folder of the last state.

    Raises:
        InputError: for a sparsity of 0, which no state leads to, or one that the network has.
    """
    start = removed(source, config)
    ladder = states_to(config.sparsity, _own(config).rate, _own(config).of, start)
    if not ladder:
        raise InputError("sparsity=0 prunes nothing; iterative pruning needs a sparsity above 0")
    before = rewind_point(config, source, workdir, name, devices)
    for state, sparsity in enumerate(ladder, 1):
        own = config_files.replace(config, sparsity=sparsity)
        own_name = name if state == len(ladder) else f"{name}-state{state}"
        done = _state(own, before, workdir, own_name, devices)
        before = done.source
    return done


def rewind_point(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> StartingTicket:
    """Return the network that every state is set back to.

    It is the pretrained network, or with `rewind` what that is after these steps of training,
    unless it has been set back there already.
    """
    if is_never(_own(config).rewind):
        return source
    if goes_on(config, read_description(source.ticket)["meta"]):
        return source
    own = config_files.replace(config, sparsity=0.0)

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        ready, task = _prepare(own, ticket)
        run = _run(own, ready, folder, devices)
        run = run._replace(config=config_files.replace(run.config, select="last"))
        steps = (0, rewind_steps(own, run.steps_per_epoch))
        outcome = train_network(run, (ready.params, ready.batch_stats), ready.mask, steps=steps)
        meta = provenance.extend(ready.meta, "rewind", own, task, run.config.seed)
        rewound = Ticket(ready.mask, outcome.params, outcome.batch_stats, meta)
        save_ticket(folder, rewound)
        return training_result(folder, outcome)

    return run_once(folder_of(workdir, "rewind", name, own, source), body).source


def rewind_steps(config: DrawConfig, steps_per_epoch: int) -> int:
    """Return the step that every state is set back to, 0 for the pretrained network itself.

    Raises:
        InputError: if training does not go on after it.
    """
    duration = _train_config(config).duration
    steps = to_steps(_own(config).rewind, steps_per_epoch)
    if steps >= to_steps(duration, steps_per_epoch):
        raise InputError(
            f"method.rewind={_own(config).rewind!r} is not before {duration!r}, the end"
        )
    return steps


def _state(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Train the survivors, remove the smallest, set the others back."""

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        going_on = goes_on(config, ticket.meta)
        ready, task = _prepare(config, ticket)
        meta = provenance.name_layouts(
            ready.meta, ready.params, config.prunable, config.exclude, config.layouts
        )
        own = {"start": ready.mask, "layouts": meta.get("layouts")}
        options: dict[str, Any] = {**config.omp_options(), **own}
        untold = {"criterion": "random", "say": _not_yet, **options}
        draw_omp(ready.params, config.sparsity, **untold)  # fails before training if it must
        run = _run(config, ready, folder, devices)
        per_epoch = run.steps_per_epoch
        steps = (rewind_steps(config, per_epoch), to_steps(run.config.duration, per_epoch))
        # Of the state before, which only a ticket that goes on from one has.
        kept = _kept_state(config, source, run.config, ready) if going_on else None
        weights = (ready.params, ready.batch_stats)
        outcome = train_network(run, weights, ready.mask, steps=steps, opt_state=kept)
        notes: list[str] = []
        mask = draw_omp(outcome.params, config.sparsity, **options, say=notes.append)
        # The mask is of the trained weights, the weights are those from before: it rewinds.
        params = ready.params
        if _own(config).head == "keep":
            params = {**params, HEAD: outcome.params[HEAD]}
        stats = outcome.batch_stats if _own(config).statistics == "keep" else ready.batch_stats
        if _own(config).optimizer == "keep":
            optimizer = training.make_optimizer(run.config.optimizer)
            arrays, alive = optimizer_arrays.to_arrays(optimizer, outcome.opt_state, mask)
            write_ticket(folder / _OPTIMIZER, Ticket(alive, arrays, {}, {"of": folder.name}))
        meta = provenance.extend(meta, "draw", config, task, run.config.seed)
        drawn = Ticket(mask, params, stats, meta)
        result = save_ticket(folder, drawn, notes, check_of(config.check, devices))
        return {**result, "training": training_result(folder, outcome)}

    return run_once(folder_of(workdir, "draw", name, config, source), body)


def _not_yet(_: str) -> None:
    """Leave what a draw says to the one that counts."""


def _prepare(config: DrawConfig, ticket: Ticket) -> tuple[Ready, DataConfig]:
    """Return the ticket ready for the task, by default the one it was trained on."""
    train = _train_config(config)
    task = config.data or provenance.last_task(ticket.meta)[0]
    return prepare(ticket, task, train.seed, keep_head=True), task


def _run(config: DrawConfig, ready: Ready, folder: Path, devices: parallel.Devices) -> TrainingRun:
    train = _train_config(config)
    return ready.run(train, folder, devices)


def _train_config(config: DrawConfig) -> TrainConfig:
    assert config.train is not None  # the configuration is checked for it
    return config.train


def _kept_state(
    config: DrawConfig, source: StartingTicket, train: TrainConfig, ready: Ready
) -> Any:
    """Return what the optimiser remembers of the state before, or None."""
    folder = source.ticket.parent / _OPTIMIZER
    if _own(config).optimizer == "reset" or not folder.is_dir():
        return None
    optimizer = training.make_optimizer(train.optimizer)
    return optimizer_arrays.from_arrays(optimizer, ready.params, Ticket.load(folder).params, folder)
