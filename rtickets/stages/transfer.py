"""Training a ticket on a downstream task."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rtickets import data, evaluation, masks, models, training
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import TaskSizes, cost_of
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.masks import Params
from rtickets.platform import parallel
from rtickets.runs.folders import Body, RunFolder, StartingTicket, folder_of, run_once
from rtickets.runs.together import run_together
from rtickets.settings.kinds import to_steps
from rtickets.stages import cached
from rtickets.stages.recalibrate import recalibrate, recalibration_work
from rtickets.stages.rungs import train_rungs, write_rungs
from rtickets.stages.settings import Rung, TransferConfig
from rtickets.stages.stage import Stage
from rtickets.stages.train import (
    Ready,
    prepare,
    train_network,
    training_result,
    write_ticket,
)
from rtickets.stages.training_run import TrainingRun
from rtickets.tasks import Task, task_of
from rtickets.tickets import provenance
from rtickets.tickets.asked import differing
from rtickets.tickets.head import known
from rtickets.tickets.ticket import Ticket
from rtickets.training.heads import HeadFit
from rtickets.training.meeting import Compiled
from rtickets.training.selection import Outcome


class Asked(NamedTuple):
    """A transfer that is asked for.

    Attributes:
        config: what is done.
        source: the ticket that it starts from.
        name: the readable part of its folder's name.
    """

    config: TransferConfig
    source: StartingTicket
    name: str

    def folder(self, workdir: Path) -> RunFolder:
        """Return its folder; nothing is made."""
        return folder_of(workdir, "transfer", self.name, self.config, self.source)


class Begun(NamedTuple):
    """A transfer whose ticket and task are loaded.

    Attributes:
        config: what is done.
        ready: the ticket, made ready.
        run: the training.
        weights: initial (parameters, normalisation statistics).
        features: bytes of cached ones, 0 where none are.
    """

    config: TransferConfig
    ready: Ready
    run: TrainingRun
    weights: tuple[Params, Any]
    features: int

    def write(self, rung: Rung, outcome: Outcome) -> None:
        """Write the trained ticket of a rung into the stage's folder."""
        config, ready, seed = self.config, self.ready, self.config.train.seed
        meta = provenance.extend(ready.meta, "transfer", config.at(rung), config.data, seed)
        trained = Ticket(ready.mask, outcome.params, outcome.batch_stats, meta)
        write_ticket(self.run.folder / "ticket", trained)

    def heads(self) -> cached.Heads:
        """Return its heads on cached features, which are computed here."""
        return cached.heads_of(self.run, self.weights, self.ready.mask, self.config.rungs)

    def result_of(self, fits: Sequence[HeadFit], _: Path) -> dict[str, Any]:
        """Write what became of its heads, one for every rung, and return the stage's result."""
        if len(fits) > 1:
            result = write_rungs(self.config, self.run, fits, self.write)
        else:
            result = _written(self.run, fits[0], partial(self.write, self.config.rungs[0]))
        cached.note_together(self.run.folder, fits)
        return {**result, "moves": self.config.moves, "features": "cached"}


def transfer(
    config: TransferConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
    compiled: Compiled = training.compiled,
) -> RunFolder:
    """Train a ticket on a downstream task, see `TransferConfig` and `Stage.run`.

    Args:
        compiled: what its steps are taken by, see `rtickets.training.meeting`.
    """
    asked = Asked(config, source, name)
    return run_once(asked.folder(workdir), partial(_run, asked, devices, compiled))


def _run(
    asked: Asked, devices: parallel.Devices, compiled: Compiled, folder: Path
) -> dict[str, Any]:
    begun = begin(asked, folder, devices)
    config, run = begun.config, begun.run._replace(compiled=compiled)
    if config.features == "cached":
        (fits,) = cached.fit([begun.heads()])
        return begun.result_of(fits, folder)

    def train(run: TrainingRun) -> Outcome:
        return train_network(run, begun.weights, begun.ready.mask, trainable=config.trainable)

    if len(config.rungs) > 1:
        return {**train_rungs(config, run, train, begun.write), "moves": config.moves}
    outcome = train(run)
    begun.write(config.rungs[0], outcome)
    return {**training_result(folder, outcome), "moves": config.moves}


def transfer_together(asked: Sequence[Asked], workdir: Path, devices: parallel.Devices) -> None:
    """Run transfers on cached features, their heads trained together; see `run_together`.

    One that cannot be begun is left out: whoever runs it alone is told why. So many are trained at
    once as have `cached.MOST_BYTES` of features, weights and examples.
    """
    folders = [each.folder(workdir) for each in asked]

    def compute(left: Sequence[bool]) -> Iterator[tuple[int, Body]]:
        for part in _parts(asked, [folder.path for folder in folders], devices):
            if not any(left[place] for place in part):
                continue
            fits = cached.fit([begun.heads() for begun in part.values()])
            for (place, begun), found in zip(part.items(), fits, strict=True):
                yield place, partial(begun.result_of, found)

    run_together(folders, compute)


def _parts(
    asked: Sequence[Asked], folders: Sequence[Path], devices: parallel.Devices
) -> Iterator[dict[int, Begun]]:
    """Yield transfers that are begun, by their place, as many as are trained at once."""
    part: dict[int, Begun] = {}
    size = 0
    for place, (each, folder) in enumerate(zip(asked, folders, strict=True)):
        try:
            begun = begin(each, folder, devices)
        except InputError:
            continue
        splits = begun.run.dataset.train, begun.run.dataset.validation, begun.run.dataset.test
        examples = sum(_bytes(dict(split.arrays)) for split in splits)
        own = begun.features + 2 * _bytes(begun.ready.params) + examples
        if part and size + own > cached.MOST_BYTES:
            yield part
            part, size = {}, 0
        part[place], size = begun, size + own
    if part:
        yield part


def _bytes(arrays: Any) -> int:
    """Return what arrays take in memory; images that are streamed lie on disk."""
    return sum(int(getattr(leaf, "nbytes", 0)) for leaf in jax.tree.leaves(arrays))


def begin(asked: Asked, folder: Path, devices: parallel.Devices) -> Begun:
    """Load what a transfer needs and check it; nothing is written."""
    config, ticket = asked.config, Ticket.load(asked.source.ticket)
    pixels = config.pixel_mean, config.pixel_std
    how = config.train.seed, config.normalization
    own = config.head == "own"
    ready = prepare(ticket, config.data, *how, keep_head=own, pixels=pixels)
    if own and ready.params is not ticket.params:
        raise _other_head(config, ticket, ready.task)
    features = cached.check(config, ready) if config.features == "cached" else 0
    run = ready.run(config.train, folder, devices)
    weights = (ready.params, _statistics(config, ticket, ready))
    return Begun(config, ready, run, weights, features)


def _other_head(config: TransferConfig, ticket: Ticket, task: Task) -> InputError:
    """Return the error that says what a ticket's head is for, and what is asked of it."""
    others = differing(known(ticket.meta)[0], task)
    why = [
        f"data.task.{name}={asked!r} (its head: {own!r})" for name, (own, asked) in others.items()
    ]
    return InputError(
        f"head='own': the ticket's head answers something else than {config.data.source!r} asks by "
        f"the task {task.name!r}{' with ' if why else ''}{', '.join(why)}; leave head out for a "
        "fresh one, or give its settings"
    )


def _written(run: TrainingRun, fit: HeadFit, write: Callable[[Outcome], None]) -> dict[str, Any]:
    """Write what became of a single head on cached features, and return its result."""
    cached.write_lines(run.folder, fit)
    if fit.outcome is None:
        raise NonFiniteLossError(
            f"{run.called}: {fit.failed}; lower train.optimizer.learning_rate or add a warmup"
        )
    write(fit.outcome)
    return training_result(run.folder, fit.outcome)


def _statistics(config: TransferConfig, ticket: Ticket, ready: Ready) -> Any:
    """Return the normalisation statistics that training starts from."""
    params = masks.apply(ready.mask, ready.params)
    network = evaluation.Network(ready.model, params, ready.batch_stats)
    task, dataset, transform = ready.task, ready.dataset, ready.transform
    if config.recalibrate is not None and config.recalibrate.on == "source":
        source, seed = provenance.last_task(ticket.meta)
        task, dataset = task_of(source), data.load(source, seed)
        transform = provenance.fitting_transform(source, ticket.meta).left_to_do(dataset)
    return recalibrate(config.recalibrate, network, task, dataset, transform)


def estimate_transfer(
    config: TransferConfig, setting: Setting, name: str, times: int = 1
) -> Estimate:
    """Estimate a transfer that a study runs so many times, see `estimate_training`."""
    task = setting.task_of(config.data)
    found = estimate_training(
        name, task, setting.model_for(task), config.train, setting.devices,
        trainable=config.trainable, times=times,
    )  # fmt: skip
    rungs = len(config.rungs)
    about, operations = [*found.about, f"moves {config.moves}"], rungs * found.operations
    if rungs > 1:
        about.append(
            f"{rungs} trainings, {len(config.learning_rates) or 1} learning rates times "
            f"{len(config.weight_decays) or 1} weight decays, the best on validation images chosen"
        )
    if config.features == "cached":
        found, operations = _once(config, found, task, setting)
        about.append("features are computed once, and every head is trained on them")
    on = task
    if config.recalibrate is not None and config.recalibrate.on == "source":
        on = setting.task_of(None)
    operations += recalibration_work(config.recalibrate, on, setting.model_for(task))
    return setting.noted(found._replace(about=tuple(about), operations=operations), task)


def _once(
    config: TransferConfig, found: Estimate, task: TaskSizes, setting: Setting
) -> tuple[Estimate, float]:
    """Return an estimate with the memory of cached features, and the operations with them."""
    cached.check_data(config.data, task_of(config.data))
    own = setting.model_for(task)
    model = models.from_config(
        own, task.outputs, make_head=task.head, output_stride=task.backbone_stride
    )
    examples = task.train + task.validation
    width = cached.check_size(model, task.inputs, examples)
    images = to_steps(config.train.duration, task.train // config.train.batch_size)
    images *= config.train.batch_size * len(config.rungs)
    # forward, and the gradients to weights and inputs, of a multiplication and an addition each
    heads = 6.0 * images * width * task.outputs
    forward = cost_of(own, task).forward
    memory = {**found.memory, "features": float(cached.FLOAT * examples * width)}
    return found._replace(memory=memory), forward * examples + heads


STAGE = Stage(
    TransferConfig,
    run=transfer,
    name=lambda config: f"{config.data.source}-{config.mode}",
    estimate=lambda config, setting: [
        estimate_transfer(config, setting, f"transfer, {config.mode}")
    ],
)
