"""Measuring a network."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from rtickets import data, evaluation, masks
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.platform import console, parallel, processes
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.storage.files import write_json
from rtickets.tickets import class_order, provenance
from rtickets.tickets.ticket import Ticket


def evaluate(
    config: EvaluateConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
) -> RunFolder:
    """Measure a network on a split it was not trained on.

    Args:
        config: the stage's configuration.
        source: the network.
        workdir: where run folders lie.
        name: readable part of the folder's name.
        devices: where to compute.

    Returns:
        The complete folder; its result has the clean accuracy, one per attack, by the metric of
        the task; whether these can be
        trusted, and certified accuracies.
    """

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        meta = ticket.meta
        task_config, seed = (config.data, 0) if config.data else provenance.last_task(meta)
        loaded = data.load(task_config, seed)
        task = class_order.matched(meta, task_config, loaded)
        about_classes = list(task.notes[len(loaded.notes) :])
        split = task.test if config.split == "test" else task.validation
        for note in task.notes:
            console.say(f"data: {note}")
        transform = provenance.fitting_transform(task_config, meta).left_to_do(task)
        config.check_lengths(transform.output_shape(split.images.shape[1:]))
        network = evaluation.Network(
            provenance.build_model(meta),
            masks.apply(ticket.mask, ticket.params),
            ticket.batch_stats,
        )
        about = {"history": provenance.history_lines(meta), "sparsity": masks.sparsity(ticket.mask)}
        processes.on_primary(lambda: write_json(folder / "network.json", about))
        examples = evaluation.on_devices(split, transform, devices)
        logits = evaluation.predict(network, examples, batch_size=config.batch_size)
        correct = evaluation.is_correct(logits, split.labels)
        clean = evaluation.measure(task.metric, correct, split.labels)._asdict()
        subject_of = partial(
            evaluation.make_subject, network, split, transform, seed=config.seed,
            batch_size=config.batch_size, devices=devices, metric=task.metric,
        )  # fmt: skip
        named: dict[str, Any] = {} if task.metric == "accuracy" else {"metric": task.metric}
        named |= {"notes": about_classes} if about_classes else {}
        return {
            **named,
            "clean": clean,
            **evaluation.measure_robustness(config, subject_of, folder),
        }

    run = run_once(folder_of(workdir, "evaluate", name, config, source), config, body)
    if parallel.is_primary():
        shutil.rmtree(run.path / "attacks", ignore_errors=True)
    return run
