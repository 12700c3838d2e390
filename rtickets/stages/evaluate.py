"""Measuring a network."""

from functools import partial
from pathlib import Path
from typing import Any

from rtickets import evaluation, masks
from rtickets.costs import Estimate, Setting
from rtickets.costs.passes import passes_of_attack
from rtickets.costs.runs import memory_of, network_line
from rtickets.costs.task_sizes import TaskSizes, evaluated_cost_of
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.models.settings import ModelConfig
from rtickets.platform import console, parallel, processes
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.stages.recalibrate import network_of, recalibrate, recalibration_work
from rtickets.stages.soundness import signs_of_evaluation
from rtickets.stages.stage import Stage
from rtickets.storage.files import remove_folder, write_json
from rtickets.tickets import provenance
from rtickets.tickets.asked import asked_again
from rtickets.tickets.ticket import Ticket


def evaluate(
    config: EvaluateConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
) -> RunFolder:
    """Measure a network on a split it was not trained on; see `Stage.run`.

    The result is that of `rtickets.evaluation.evaluate_network`, after `notes` on its classes and
    statistics, and before signs that it is `broken`, where there are any.
    """
    run = run_once(
        folder_of(workdir, "evaluate", name, config, source),
        partial(_measured, config, source, devices),
    )
    if parallel.is_primary():
        # Attacks go on from what they keep there, which no longer counts once the result stands.
        remove_folder(run.path / "attacks")
    return run


def _measured(
    config: EvaluateConfig, source: StartingTicket, devices: parallel.Devices, folder: Path
) -> dict[str, Any]:
    ticket = Ticket.load(source.ticket)
    meta = ticket.meta
    asks = asked_again(meta, config.data, seed=0)
    task, notes = asks.dataset, list(asks.changes)
    split = task.test if config.split == "test" else task.validation
    for note in task.notes:
        console.say(f"data: {note}")
    transform = provenance.fitting_transform(asks.config, meta).left_to_do(task)
    provenance.check_inputs(meta, asks.task, transform, task)
    config.check_lengths(asks.task.input_spec(transform, split.spec)[0].shape)
    network = network_of(ticket)
    stats = recalibrate(config.recalibrate, network, asks.task, task, transform)
    network = network._replace(batch_stats=stats)
    if config.recalibrate is not None:
        notes.append(f"normalisation statistics: {config.recalibrate.words}")
    about = {"history": provenance.history_lines(meta), "sparsity": masks.sparsity(ticket.mask)}
    processes.on_primary(lambda: write_json(folder / "network.json", about))
    examples, validation, training = (
        partial(evaluation.on_devices, each, transform, devices, asks.task)
        for each in (split, task.validation, task.train)
    )
    asked, known = examples(), asks.task.about(task)
    result = evaluation.evaluate_network(
        config, network, asked, folder, validation, training, known
    )
    signs = signs_of_evaluation(result, network, asked, task, config.batch_size)
    for sign in signs:
        console.say(f"{folder.name}: {sign}")
    return {
        **({"notes": notes} if notes else {}),
        **result,
        **({"broken": signs} if signs else {}),
    }


def estimate_evaluation(
    config: EvaluateConfig, task: TaskSizes, model: ModelConfig, devices: int, times: int = 1
) -> Estimate:
    """Estimate an evaluation; attacks stop at images that are fooled, so this is an upper bound.

    Args:
        times: how often a study runs it.

    Raises:
        InputError: for an attack whose radius is larger than all images.
    """
    seen = task._replace(inputs=task.evaluated or task.inputs)
    config.check_lengths(seen.shape)
    cost = evaluated_cost_of(model, task)
    images = task.test if config.split == "test" else task.validation
    attacked = min(images, config.attack_examples or images)
    work = [passes_of_attack(attack, task.outputs) for attack in config.attacks.values()]
    passes = images + attacked * sum(work)
    about = f"{images:,} images, {attacked if config.attacks else 0:,} of them attacked"
    passes += sum(
        measure.forward_passes(images, task.validation) for measure in config.measures.values()
    )
    if config.smoothing is not None:
        certified = min(images, config.smoothing.examples or images)
        passes += certified * (config.smoothing.samples + config.smoothing.selection_samples)
        about += f", {certified:,} certified"
    return Estimate(
        f"evaluate, {task.name}",
        times,
        (network_line(seen, model, cost), about),
        cost.forward * passes + recalibration_work(config.recalibrate, task, model),
        memory_of(cost, seen._replace(stored=0), config.batch_size, devices),
    )


def _estimate(config: EvaluateConfig, setting: Setting) -> list[Estimate]:
    setting.check_head()
    task = setting.task_of(config.data)
    found = estimate_evaluation(config, task, setting.model_for(task), setting.devices)
    return [setting.noted(found, task)]


STAGE = Stage(EvaluateConfig, run=evaluate, name=lambda config: config.split, estimate=_estimate)
