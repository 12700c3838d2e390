"""Searching in a supernet: an architecture and its ticket out of one training run."""

from functools import partial
from pathlib import Path
from typing import Any

import jax

from rtickets import data, evaluation, masks, models
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import check_resize, make_transform
from rtickets.draw.searching import channels
from rtickets.draw.searching.settings import check_length
from rtickets.evaluation.recalibration import RecalibrateConfig, input_batches, recalibrated
from rtickets.masks import Params
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


def search(config: SearchConfig, workdir: Path, name: str, devices: parallel.Devices) -> RunFolder:
    """Search in a supernet; see `Stage.run`.

    The folder holds a ticket of every prune event in `tickets`, that of the initial weights in
    `initial`, and the last one as `ticket`.
    """

    def body(folder: Path) -> dict[str, Any]:
        check_resize(config.data)
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

        shapes, places = shapes_and_places(model, inputs)
        steps = run.steps_per_epoch
        every = (to_steps(searching.search_every, steps), to_steps(searching.prune_every, steps))
        if every[1]:
            last = to_steps(config.train.duration, steps)
            check_length(searching, config.train.duration, -(-last // every[1]))
        total = sum(places[path] * _size(shapes[path]) for path in places)
        costs = channels.costs_per_channel(params, places)
        activation = ACTIVATIONS[getattr(model, "activation", "relu")]
        say = partial(_say, folder.name)
        events = SearchEvents(searching, every, costs, total, whole, activation, write, say)
        warmup = to_steps(searching.penalty_warmup, steps)
        what = Searching(events, events.start(params), searching.masked, warmup, statistics)
        outcome = train_network(run, (params, batch_stats), whole, searching=what)
        ticket = Ticket.load(folder / "ticket")
        counted = save_ticket(folder, ticket)
        accounts = account(ticket, inputs, whole)
        return {**training_result(folder, outcome), **counted, **accounts}

    return run_once(folder_of(workdir, "search", name, config), body)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for each in shape:
        size *= each
    return size


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
    sizes = sizes_of(config.data)
    return [estimate_training("search", sizes, config.model, config.train, setting.devices)]


STAGE = Stage(
    SearchConfig,
    run=lambda config, _, workdir, name, devices: search(config, workdir, name, devices),
    name=lambda config: f"{config.model.arch}{config.searching.sparsity:.4g}",
    estimate=_estimate,
)
