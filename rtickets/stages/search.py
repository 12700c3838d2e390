"""Searching in a supernet: an architecture and its ticket out of one training run."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import unflatten_dict

from rtickets import data, evaluation, masks, models
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data import source_of
from rtickets.data.images.chosen import check_resize, make_transform
from rtickets.draw.searching import channels
from rtickets.draw.searching.settings import (
    check_budget,
    check_early,
    check_length,
    events_in,
)
from rtickets.evaluation.recalibration import RecalibrateConfig, input_batches, recalibrated
from rtickets.masks import Params
from rtickets.models.inputs import Inputs, placeholders
from rtickets.models.preactivation import ACTIVATIONS
from rtickets.platform import console, parallel
from rtickets.runs.folders import RunFolder, folder_of, run_once
from rtickets.settings.kinds import to_steps
from rtickets.stages.search_accounts import account
from rtickets.stages.search_events import SearchEvents, Written
from rtickets.stages.search_settings import SearchConfig
from rtickets.stages.stage import Stage
from rtickets.stages.train import (
    Searching,
    first_meta,
    save_ticket,
    train_network,
    training_result,
    write_ticket,
)
from rtickets.stages.training_run import TrainingRun
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.multiply_adds import shapes_and_places
from rtickets.tickets.ticket import Ticket
from rtickets.training.batches import steps_per_epoch


def search(config: SearchConfig, workdir: Path, name: str, devices: parallel.Devices) -> RunFolder:
    """Search in a supernet; see `Stage.run`.

    The folder holds a ticket of every prune event in `tickets`, that of the initial weights in
    `initial`, the last one as `ticket`, and the network of an early step as `early` if one is asked
    for.
    """

    def body(folder: Path) -> dict[str, Any]:
        check_resize(config.data)
        check_known(config)
        task, dataset = task_of(config.data), data.load(config.data, config.train.seed)
        transform = make_transform(config.data).left_to_do(dataset)
        meta = first_meta("search", config, task, dataset, transform)
        model = provenance.build_model(meta)
        inputs = task.input_spec(transform, dataset.train.spec)
        params, batch_stats = models.initialise(model, jax.random.key(config.train.seed), inputs)
        params = jax.device_get(params)
        run = TrainingRun(model, task, dataset, transform, config.train, folder, devices)
        searching = config.searching
        whole = masks.full(params, searching.prunable, searching.exclude)
        write_ticket(folder / "initial", Ticket(whole, params, batch_stats, meta))
        statistics = partial(_statistics, run, searching.calibration_batches)

        def write(found: Written) -> None:
            own = {**meta, "step": found.step}
            stats = statistics(found.params, found.batch_stats)
            path = folder / "tickets" / f"step{found.step:08d}"
            path.parent.mkdir(exist_ok=True)
            write_ticket(path, Ticket(found.mask, found.params, stats, own))
            write_ticket(folder / "ticket", Ticket(found.mask, found.params, stats, own))

        def write_early(found: Written) -> None:
            own = {**meta, "step": found.step}
            write_ticket(folder / "early", Ticket(found.mask, found.params, found.batch_stats, own))

        steps = run.steps_per_epoch
        _check_staircase(config, steps)
        every = (to_steps(searching.search_every, steps), to_steps(searching.prune_every, steps))
        total, costs = _multiply_adds(model, inputs)
        check_budget(searching, _least(total, costs, params))
        activation = ACTIVATIONS[getattr(model, "activation", "relu")]
        say = partial(_say, folder.name)
        early = check_early(searching, config.train.duration, every, steps)
        events = SearchEvents(
            searching, every, costs, total, whole, activation, write, say, early, write_early
        )
        warmup = to_steps(searching.penalty_warmup, steps)
        what = Searching(events, events.start(params), searching.masked, warmup, statistics)
        outcome = train_network(run, (params, batch_stats), whole, searching=what)
        ticket = Ticket.load(folder / "ticket")
        counted = save_ticket(folder, ticket)
        accounts = account(ticket, inputs, whole)
        return {**training_result(folder, outcome), **counted, **accounts}

    return run_once(folder_of(workdir, "search", name, config), body)


def check_known(config: SearchConfig) -> None:
    """Refuse what cannot be reached, of data whose sizes are known without reading them.

    A folder of one's own may have others than the set whose layout it has; it is read first.

    Raises:
        InputError: for a staircase that ends below its sparsity, or a budget below what is fixed.
    """
    facts = source_of(config.data).facts
    if facts is None or (config.data.path is not None and not facts.composed):
        return
    sizes = sizes_of(config.data)
    _check_staircase(config, steps_per_epoch(sizes.train, config.train.batch_size))
    if config.searching.budget is not None:
        model = models.from_config(config.model, sizes.outputs, make_head=sizes.head)
        shapes = jax.eval_shape(model.init, jax.random.key(0), placeholders(sizes.inputs, 1))
        least = _least(*_multiply_adds(model, sizes.inputs), shapes["params"])
        check_budget(config.searching, least)


def _check_staircase(config: SearchConfig, steps: int) -> None:
    duration = config.train.duration
    events = events_in(duration, config.searching.prune_every, steps)
    check_length(config.searching, duration, events or 0)


def _multiply_adds(model: models.Model, inputs: Inputs) -> tuple[int, dict[str, int]]:
    """Return those of a network, and of a channel of every path."""
    shapes, places = shapes_and_places(model, inputs)
    total = sum(places[path] * math.prod(shapes[path]) for path in places)
    empty = unflatten_dict({path: np.empty(shape) for path, shape in shapes.items()}, sep="/")
    return total, channels.costs_per_channel(empty, places)


def _least(total: int, costs: dict[str, int], params: Params) -> int:
    """Return the multiply-adds without any searchable channel."""
    leaves = masks.leaf_paths(params)
    return total - sum(cost * int(leaves[path].shape[0]) for path, cost in costs.items())


def _say(name: str, line: str) -> None:
    console.say(f"{name}: {line}")


def _statistics(run: TrainingRun, batches: int, params: Params, batch_stats: Any) -> Any:
    """Return normalisation statistics estimated anew on training images."""
    split, config = run.dataset.train, run.config
    asked = RecalibrateConfig(batches, config.batch_size, config.seed).at_most(len(split))
    network = evaluation.Network(run.model, params, batch_stats)
    return recalibrated(network, input_batches(split, run.task, run.transform, asked))


def _estimate(config: SearchConfig, setting: Setting) -> list[Estimate]:
    check_resize(config.data)
    check_known(config)
    sizes = sizes_of(config.data)
    return [estimate_training("search", sizes, config.model, config.train, setting.devices)]


STAGE = Stage(
    SearchConfig,
    run=lambda config, _, workdir, name, devices: search(config, workdir, name, devices),
    name=lambda config: f"{config.model.arch}{config.searching.sparsity:.4g}",
    estimate=_estimate,
)
