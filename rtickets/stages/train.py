"""What the stages that train have in common."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from rtickets import data, evaluation, masks, models, training
from rtickets.data.images.augment import Transform
from rtickets.data.settings import DataConfig
from rtickets.evaluation.comparison import gallery_of
from rtickets.masks import Mask, Params
from rtickets.masks.gates import LearnedMask
from rtickets.platform import console, parallel, processes
from rtickets.settings import config_files
from rtickets.stages.soundness import Checked
from rtickets.stages.training_run import TrainingRun, begin, program_of
from rtickets.storage.files import write_json
from rtickets.tasks import Task, task_of
from rtickets.tickets import asked, broken, provenance
from rtickets.tickets.head import remembering
from rtickets.tickets.ticket import Ticket
from rtickets.training import HEAD, Trainable
from rtickets.training.events import Events
from rtickets.training.loop import Loop
from rtickets.training.program import Masked
from rtickets.training.selection import Outcome
from rtickets.training.settings import TrainConfig
from rtickets.training.sparse_scales import SearchState
from rtickets.training.tree_arrays import Stored


class Searching(NamedTuple):
    """What makes a training run a search.

    Attributes:
        events: what happens between steps.
        first: what they begin with.
        masked: what becomes of masked weights.
        warmup: steps over which the penalty on scales rises.
        statistics: (masked parameters, running statistics) -> those that validation goes by.
    """

    events: Events
    first: SearchState
    masked: Masked
    warmup: int
    statistics: Callable[[Params, Any], Any]


def first_meta(
    stage: str, config: Any, task: Task, dataset: data.Dataset, transform: Transform
) -> dict[str, Any]:
    """Return the provenance of a network that a stage trains from the start.

    Args:
        stage: its name.
        config: with `data`, `model` and `train`.
        task: what it is trained to do.
        dataset: the examples.
        transform: from stored pixels to the network's input.
    """
    inputs = task.input_spec(transform, dataset.train.spec)
    mean, std = (
        list(provenance.channel_statistics(each, inputs[0].shape[-1])) if each else []
        for each in (dataset.mean, dataset.std)
    )
    return {
        **remembering({"model": config_files.to_dict(config.model)}, task, dataset),
        **provenance.takes(task, transform, dataset),
        "mean": mean,
        "std": std,
        **provenance.extend({}, stage, config, config.data, config.train.seed),
    }


class Ready(NamedTuple):
    """A ticket made ready to be trained on a task.

    Attributes:
        model: the network, its head as wide as the task asks.
        task: what it is trained to do.
        dataset: the examples.
        transform: from stored pixels to the network's input.
        params: the ticket's weights under a fresh head, or under its own.
        batch_stats: likewise, its normalisation statistics.
        mask: the ticket's mask, with the head's leaves.
        meta: the ticket's provenance with the task, its head and pixel statistics.
    """

    model: models.Model
    task: Task
    dataset: data.Dataset
    transform: Transform
    params: Params
    batch_stats: Any
    mask: Mask
    meta: dict[str, Any]

    def run(self, config: TrainConfig, folder: Path, devices: parallel.Devices) -> "TrainingRun":
        """Return its training in a stage's folder."""
        what = self.model, self.task, self.dataset, self.transform
        return TrainingRun(*what, config, folder, devices)


def prepare(
    ticket: Ticket,
    config: DataConfig,
    seed: int,
    normalization: Literal["source", "target"] = "source",
    *,
    keep_head: bool = False,
    pixels: tuple[Sequence[float], Sequence[float]] = ((), ()),
) -> Ready:
    """Make a ticket ready to be trained on a task.

    Args:
        seed: of the fresh head and of the choice of examples.
        normalization: normalise pixels by the statistics of the ticket's 'source' or of the
            'target'.
        keep_head: keep the ticket's head where it fits, see `Task.aligned`.
        pixels: (mean, deviation) of every channel to normalise by instead; empty where none are.

    Raises:
        InputError: if the task cannot be loaded or does not fit the ticket's provenance.
    """
    task, dataset = task_of(config), data.load(config, seed)
    meta = dict(ticket.meta)
    transform = provenance.fitting_transform(config, meta).left_to_do(dataset)
    provenance.check_inputs(meta, task, transform, dataset)
    mean, std = pixels
    if normalization == "target":
        mean, std = dataset.mean, dataset.std
    if mean:
        channels = meta["image_shape"][-1]
        meta["mean"] = list(provenance.channel_statistics(tuple(mean), channels))
        meta["std"] = list(provenance.channel_statistics(tuple(std), channels))
    same = asked.aligned(meta, task, dataset) if keep_head else None
    if same is not None:
        model = provenance.build_model(meta)
        own = ticket.params, ticket.batch_stats, ticket.mask
        return Ready(model, task, same, transform, *own, meta)
    meta = remembering(meta, task, dataset)
    model = provenance.build_model(meta)
    fresh, state = models.initialise(model, jax.random.key(seed), provenance.inputs_of(meta))
    params = {**ticket.params, HEAD: fresh[HEAD]}
    mask = {**ticket.mask, HEAD: jax.tree.map(lambda _: np.ones((), bool), fresh[HEAD])}
    # Statistics of a head that goes are not those of the one that comes, if that has some.
    kept = {name: each for name, each in ticket.batch_stats.items() if name != HEAD}
    stats = {**kept, **({HEAD: state[HEAD]} if HEAD in state else {})}
    return Ready(model, task, dataset, transform, params, stats, mask, meta)


def train_network(
    run: TrainingRun,
    weights: tuple[Params, Any],
    mask: Mask,
    *,
    trainable: Trainable = "all",
    learned_mask: LearnedMask | None = None,
    steps: tuple[int, int] | None = None,
    opt_state: Any = None,
    carry: Stored | None = None,
    searching: Searching | None = None,
) -> Outcome:
    """Train a network, or go on where an interrupted run stopped.

    Args:
        weights: initial (parameters, normalisation statistics).
        trainable: which parameters are trained.
        learned_mask: how scores among the parameters become a mask, or None.
        steps: (first, last) step of the schedule to take; None is all of it.
        opt_state: initial state of the optimiser; None is a fresh one.
        carry: what the objective took along in another run; None is a fresh start.
        searching: what makes it a search, or None.
    """
    config, devices = run.config, run.devices
    program = program_of(run, begin(run), trainable, learned_mask)
    events = first = None
    if searching is not None:
        events, first = searching.events, searching.first
        masked, warmup = searching.masked, searching.warmup
        program = dataclasses.replace(program, masked=masked, penalty_warmup=warmup)
    held_out = evaluation.on_devices(run.dataset.validation, run.transform, devices, run.task)
    comparison = run.task.comparison
    # Features that are compared with others have no loss of their own that an attack could raise.
    attack = config.validation_attack if comparison is None else None
    gallery = gallery_of(comparison, run.dataset.train, run.transform, devices, run.task)
    weights_of = jax.jit(partial(training.weights_of, learned_mask))

    def validate(params: Params, batch_stats: Any) -> float:
        if searching is not None:
            batch_stats = searching.statistics(params, batch_stats)
        network = evaluation.Network(run.model, weights_of(params), batch_stats)
        found = evaluation.judge(
            network, held_out, attack=attack, gallery=gallery, batch_size=config.batch_size
        )
        return float(found[run.task.headline.name].value)

    where = run.folder, run.called
    split = run.dataset.train
    loop = Loop(program, config, split, mask, validate, *where, steps, run.compiled, events)
    return loop.fit(*weights, opt_state, carry, first)


def training_result(folder: Path, outcome: Outcome) -> dict[str, Any]:
    """Write the run's time beside its result, which must not depend on it; return the result.

    It has the selected step and its headline measure, the step that the objective ended it at, and
    as `broken_gradients` how many attacked examples had gradients that are not finite, if any.
    """
    timing = {"seconds": outcome.seconds, "images_per_second": outcome.images_per_second}
    processes.on_primary(lambda: write_json(folder / "timing.json", timing))
    result: dict[str, Any] = {"step": outcome.step, "validation": outcome.validation}
    broken = {"broken_gradients": outcome.broken} if outcome.broken else {}
    return {**result, **outcome.stopped, **broken}


def write_ticket(path: Path, ticket: Ticket) -> None:
    """Write a ticket, over an earlier one, in the primary process alone."""
    processes.on_primary(lambda: ticket.save(path, overwrite=True))


def save_ticket(
    folder: Path,
    ticket: Ticket,
    notes: Sequence[str] = (),
    check: Callable[[Ticket], Checked] | None = None,
    living: Mask | None = None,
    advice: str = broken.ADVICE,
) -> dict[str, Any]:
    """Save a drawn ticket, its pruned weights set to zero, and return what it counts.

    Args:
        notes: what whoever draws it should know, a line each; it is said and kept, with the signs
            that the ticket is broken.
        check: finds more of these by running it.
        living: which weights could live, of channels that are removed on purpose none; see
            `rtickets.tickets.broken.signs`.
        advice: see there.

    Returns:
        Survivors and sparsities; `notes`, and of them as `broken` the signs, where there are any;
        what the check found as `check`.
    """
    params = masks.apply(ticket.mask, ticket.params)
    ticket = Ticket(ticket.mask, params, ticket.batch_stats, ticket.meta)
    checked = Checked({}, []) if check is None else check(ticket)
    layouts = ticket.meta.get("layouts")
    signs = broken.signs(ticket.mask, params, layouts, living, advice) + checked.signs
    notes = [*notes, *signs]
    for note in notes:
        console.say(f"{folder.name}: {note}")
    write_ticket(folder / "ticket", ticket)
    summary = masks.summary(ticket.mask, params)
    counts = {
        "survivors": summary.prunable.survivors,
        "prunable": summary.prunable.total,
        "sparsity": summary.prunable.sparsity,
        "sparsity_of_all_parameters": summary.parameters.sparsity,
    }
    found = {"notes": notes, "broken": signs, "check": checked.found}
    return {**counts, **{name: each for name, each in found.items() if each}}
