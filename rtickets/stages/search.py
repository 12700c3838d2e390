"""Searching in a supernet: an architecture and its ticket out of one training run."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rtickets import data, evaluation, masks, models
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import TaskSizes, cost_of, sizes_of
from rtickets.data.images.chosen import check_resize, make_transform
from rtickets.draw.searching import channels
from rtickets.draw.searching.settings import check_budget, events_in, idle_reactivation
from rtickets.evaluation.recalibration import RecalibrateConfig, recalibrated, training_batches
from rtickets.masks import Mask, Params
from rtickets.models.inputs import Inputs
from rtickets.models.preactivation import ACTIVATIONS
from rtickets.platform import console, parallel, processes
from rtickets.runs.folders import RunFolder, folder_of, run_once
from rtickets.settings.kinds import to_steps
from rtickets.stages.search_accounts import account, living_channels
from rtickets.stages.search_checks import (
    NetworkCosts,
    check_events,
    check_known,
    costs_of,
    periods_of,
)
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
from rtickets.storage import event_lines
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training.batches import steps_per_epoch
from rtickets.training.inputs import device_transform

_ADVICE = "lower searching.sparsity, or give searching.floor"


class Begun(NamedTuple):
    """A search whose data are read and whose network is made.

    Attributes:
        config: what is done.
        run: the training.
        meta: provenance of its tickets.
        inputs: what the network takes.
        params: its initial weights, on the host.
        batch_stats: likewise, normalisation statistics.
        whole: the mask before.
        costs: multiply-adds of the network.
        early: the step of `early`, 0 for none.
        notes: what whoever reads the result should know.
    """

    config: SearchConfig
    run: TrainingRun
    meta: dict[str, Any]
    inputs: Inputs
    params: Params
    batch_stats: Any
    whole: Mask
    costs: NetworkCosts
    early: int
    notes: list[str]

    def statistics(self, params: Params, batch_stats: Any) -> Any:
        """Return normalisation statistics estimated anew on inputs of training."""
        run, asked = self.run, _calibration(self.config, len(self.run.dataset.train))
        network = evaluation.Network(run.model, params, batch_stats)
        transform = device_transform(run.transform, run.dataset.train)
        return recalibrated(
            network, training_batches(run.dataset.train, run.task, transform, asked, run.devices)
        )

    def write(self, found: Written) -> None:
        """Write the ticket of a prune event, also in the place of the last one."""
        stats = self.statistics(found.params, found.batch_stats)
        ticket = Ticket(found.mask, found.params, stats, self._meta(found))
        path = self.run.folder / "tickets" / f"step{found.step:08d}"
        path.parent.mkdir(exist_ok=True)
        write_ticket(path, ticket)
        write_ticket(self.run.folder / "ticket", ticket)

    def write_early(self, found: Written) -> None:
        """Write the whole network of an early step."""
        ticket = Ticket(found.mask, found.params, found.batch_stats, self._meta(found))
        write_ticket(self.run.folder / "early", ticket)

    def note(self, line: Mapping[str, Any]) -> None:
        """Write a line of what happened, for whoever asks how far the search is."""
        processes.on_primary(lambda: event_lines.write_event(self.run.folder, line))

    def _meta(self, found: Written) -> dict[str, Any]:
        notes = {"notes": found.notes} if found.notes else {}
        return {**self.meta, "step": found.step, **notes}

    def searching(self) -> Searching:
        """Return what makes the training run a search."""
        own, steps = self.config.searching, self.run.steps_per_epoch
        events = SearchEvents(
            config=own,
            every=periods_of(self.config, steps),
            costs=self.costs.by_channel,
            total=self.costs.total,
            whole=self.whole,
            activation=ACTIVATIONS[getattr(self.run.model, "activation", "relu")],
            write=self.write,
            say=partial(_say, self.run.folder.name),
            early=self.early,
            write_early=self.write_early,
            note=self.note,
        )
        warmup = to_steps(own.penalty_warmup, steps)
        return Searching(events, events.start(self.params), own.masked, warmup, self.statistics)


def search(config: SearchConfig, workdir: Path, name: str, devices: parallel.Devices) -> RunFolder:
    """Search in a supernet; see `Stage.run`.

    The folder holds a ticket of every prune event in `tickets`, that of the initial weights in
    `initial`, the last one as `ticket`, and the network of an early step as `early` if one is asked
    for.
    """
    return run_once(folder_of(workdir, "search", name, config), partial(_run, config, devices))


def _run(config: SearchConfig, devices: parallel.Devices, folder: Path) -> dict[str, Any]:
    begun = begin(config, folder, devices)
    for note in begun.notes:
        _say(folder.name, note)
    first, whole = (begun.params, begun.batch_stats), begun.whole
    write_ticket(folder / "initial", Ticket(whole, *first, begun.meta))
    outcome = train_network(begun.run, first, whole, searching=begun.searching())
    ticket = Ticket.load(folder / "ticket")
    alive = living_channels(ticket.params)
    living = channels.mask_of(ticket.params, alive, whole)
    counted = save_ticket(folder, ticket, living=living, advice=_ADVICE)
    notes = [*begun.notes, *ticket.meta.get("notes", ()), *counted.get("notes", ())]
    found = {**training_result(folder, outcome), **counted, **({"notes": notes} if notes else {})}
    return {**found, **account(ticket, begun.inputs, whole, alive)}


def begin(config: SearchConfig, folder: Path, devices: parallel.Devices) -> Begun:
    """Read data and make the network; nothing is written.

    Raises:
        InputError: for what cannot be reached, before data are read where their sizes are known.
    """
    check_resize(config.data)
    check_known(config)
    task, dataset = task_of(config.data), data.load(config.data, config.train.seed)
    transform = make_transform(config.data).left_to_do(dataset)
    meta = first_meta("search", config, task, dataset, transform)
    model = provenance.build_model(meta)
    inputs = task.input_spec(transform, dataset.train.spec)
    costs = costs_of(model, inputs)
    check_budget(config.searching, costs.least)
    run = TrainingRun(model, task, dataset, transform, config.train, folder, devices)
    early = check_events(config, run.steps_per_epoch)
    params, batch_stats = models.initialise(model, jax.random.key(config.train.seed), inputs)
    params = jax.device_get(params)
    whole = masks.full(params, config.searching.prunable, config.searching.exclude)
    notes = list(_notes(config, run))
    what = config, run, meta, inputs, params, batch_stats
    return Begun(*what, whole=whole, costs=costs, early=early, notes=notes)


def _notes(config: SearchConfig, run: TrainingRun) -> Iterable[str]:
    own, size, examples = config.searching, config.train.batch_size, len(run.dataset.train)
    if idle := idle_reactivation(own, *periods_of(config, run.steps_per_epoch)):
        yield idle
    if (found := _calibration(config, examples)).batches < own.calibration_batches:
        yield (
            f"calibration_batches={own.calibration_batches} of {size} take more than the "
            f"{examples:,} training examples; {found.batches} are taken"
        )


def _calibration(config: SearchConfig, examples: int) -> RecalibrateConfig:
    """Return what statistics are estimated on, of so many training examples."""
    batches, train = config.searching.calibration_batches, config.train
    return RecalibrateConfig(batches, train.batch_size, train.seed).at_most(examples)


def _say(name: str, line: str) -> None:
    console.say(f"{name}: {line}")


def estimate_search(
    config: SearchConfig, sizes: TaskSizes, devices: int, name: str = "search", times: int = 1
) -> Estimate:
    """Estimate a search that a study runs so many times, see `estimate_training`.

    Statistics are estimated on batches of training, whose activations take less than its steps.
    """
    found = estimate_training(name, sizes, config.model, config.train, devices, times=times)
    steps = steps_per_epoch(sizes.train, config.train.batch_size)
    every = to_steps(config.train.validate_every, steps)
    duration = config.train.duration
    tickets = events_in(duration, config.searching.prune_every, steps) or 1
    anew = tickets + (to_steps(duration, steps) // every if every else 0)
    asked = _calibration(config, sizes.train)
    line = f"normalisation statistics estimated {anew} times, on {asked.count:,} training images"
    forward = cost_of(config.model, sizes).forward
    return found._replace(
        about=(*found.about, line), operations=found.operations + anew * asked.count * forward
    )


def _estimate(config: SearchConfig, setting: Setting) -> list[Estimate]:
    check_resize(config.data)
    check_known(config)
    return [estimate_search(config, sizes_of(config.data), setting.devices)]


STAGE = Stage(
    SearchConfig,
    run=lambda config, _, workdir, name, devices: search(config, workdir, name, devices),
    name=lambda config: f"{config.model.arch}{config.searching.sparsity:.4g}",
    estimate=_estimate,
)
