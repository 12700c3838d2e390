"""The stages: pretrain, draw, transfer and evaluate, each leaving one folder behind."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from rtickets import config_files, data, evaluation, masks, models, parallel, provenance, training
from rtickets.config import (
    AttackConfig,
    DrawConfig,
    EvaluateConfig,
    PretrainConfig,
    TrainConfig,
    TransferConfig,
    to_steps,
)
from rtickets.data.augment import Transform, make_transform
from rtickets.draw import Ticket, draw_omp
from rtickets.loop import Loop, Outcome, steps_per_epoch
from rtickets.masks import Mask, Params
from rtickets.metrics import write_json
from rtickets.models.resnet import ResNet
from rtickets.runs import RunFolder, Source, folder_of, run_once
from rtickets.training import HEAD


def pretrain(
    config: PretrainConfig, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Train a dense network on the source task.

    Args:
        config: the stage's configuration.
        workdir: where run folders lie.
        name: readable part of the folder's name.
        devices: where to train.

    Returns:
        The complete folder, its ticket the dense network.
    """

    def body(folder: Path) -> dict[str, Any]:
        task = data.load(config.data, config.train.seed)
        transform = make_transform(config.data)
        shape = transform.output_shape(task.train.images.shape[1:])
        meta = {
            "model": config_files.to_dict(config.model),
            "class_names": list(task.class_names),
            "image_shape": list(shape),
            "mean": list(provenance.channel_statistics(task.mean, shape[-1])),
            "std": list(provenance.channel_statistics(task.std, shape[-1])),
            **provenance.extend({}, "pretrain", config, config.data, config.train.seed),
        }
        model = provenance.build_model(meta)
        weights = models.initialise(model, jax.random.key(config.train.seed), shape)
        mask = masks.full(weights[0])
        outcome = _train(
            model, weights, mask, config.train, task, transform, "all", folder, devices
        )
        Ticket(mask, outcome.params, outcome.batch_stats, meta).save(
            folder / "ticket", overwrite=True
        )
        return _training_result(folder, outcome)

    return run_once(folder_of(workdir, "pretrain", name, config), config, body)


def draw(config: DrawConfig, source: Source, workdir: Path, name: str) -> RunFolder:
    """Draw a ticket from a network.

    Args:
        config: the stage's configuration.
        source: the network.
        workdir: where run folders lie.
        name: readable part of the folder's name.

    Returns:
        The complete folder with the ticket.
    """

    def body(folder: Path) -> dict[str, Any]:
        network = Ticket.load(source.ticket)
        mask = draw_omp(
            network.params,
            config.sparsity,
            pattern=config.pattern,
            scope=config.scope,
            criterion=config.criterion,
            prunable=config.prunable,
            exclude=config.exclude,
            group_norm=config.group_norm,
            seed=config.seed,
            start=network.mask,
        )
        meta = provenance.extend(network.meta, "draw", config)
        params = masks.apply(mask, network.params)
        Ticket(mask, params, network.batch_stats, meta).save(folder / "ticket", overwrite=True)
        summary = masks.summary(mask, network.params)
        return {
            "survivors": summary.prunable.survivors,
            "prunable": summary.prunable.total,
            "sparsity": summary.prunable.sparsity,
            "sparsity_of_all_parameters": summary.parameters.sparsity,
        }

    return run_once(folder_of(workdir, "draw", name, config, source), config, body)


def transfer(
    config: TransferConfig, source: Source, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Train a ticket on a downstream task, under a fresh head.

    Args:
        config: the stage's configuration.
        source: the ticket.
        workdir: where run folders lie.
        name: readable part of the folder's name.
        devices: where to train.

    Returns:
        The complete folder, its ticket the trained sparse network.
    """

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        task = data.load(config.data, config.train.seed)
        meta = dict(ticket.meta)
        transform = provenance.fitting_transform(config.data, meta)
        if config.normalization == "target":
            channels = meta["image_shape"][-1]
            meta["mean"] = list(provenance.channel_statistics(task.mean, channels))
            meta["std"] = list(provenance.channel_statistics(task.std, channels))
        meta["class_names"] = list(task.class_names)
        meta = provenance.extend(meta, "transfer", config, config.data, config.train.seed)
        model = provenance.build_model(meta)
        fresh, _ = models.initialise(
            model, jax.random.key(config.train.seed), tuple(meta["image_shape"])
        )
        params = {**ticket.params, HEAD: fresh[HEAD]}
        mask = {**ticket.mask, HEAD: jax.tree.map(lambda _: np.ones((), bool), fresh[HEAD])}
        trainable: training.Trainable = "all" if config.mode == "finetune" else "head"
        weights = (params, ticket.batch_stats)
        outcome = _train(
            model, weights, mask, config.train, task, transform, trainable, folder, devices
        )
        Ticket(mask, outcome.params, outcome.batch_stats, meta).save(
            folder / "ticket", overwrite=True
        )
        return _training_result(folder, outcome)

    return run_once(folder_of(workdir, "transfer", name, config, source), config, body)


def evaluate(
    config: EvaluateConfig, source: Source, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Measure a network on a split it was not trained on.

    Args:
        config: the stage's configuration.
        source: the network.
        workdir: where run folders lie.
        name: readable part of the folder's name.
        devices: where to compute.

    Returns:
        The complete folder; its result has the clean accuracy and one per attack.
    """

    def body(folder: Path) -> dict[str, Any]:
        del folder
        ticket = Ticket.load(source.ticket)
        meta = ticket.meta
        task_config, seed = (config.data, 0) if config.data else provenance.trained_on(meta)
        task = data.load(task_config, seed)
        provenance.check_task(meta, task_config, task.class_names)
        split = task.test if config.split == "test" else task.validation
        transform = provenance.fitting_transform(task_config, meta)
        network = evaluation.Network(
            provenance.build_model(meta),
            masks.apply(ticket.mask, ticket.params),
            ticket.batch_stats,
        )

        def measure(split: data.Split, attack: AttackConfig | None) -> dict[str, Any]:
            logits = evaluation.predict(
                network,
                evaluation.on_devices(split, transform, devices),
                attack=attack,
                batch_size=config.batch_size,
                seed=config.seed,
            )
            return evaluation.top1(logits, split.labels)._asdict()

        attacked = split.take(_spread(split.labels, config.attack_examples))
        attacks = {label: measure(attacked, attack) for label, attack in config.attacks.items()}
        return {"clean": measure(split, None), "attacks": attacks}

    return run_once(folder_of(workdir, "evaluate", name, config, source), config, body)


def _train(
    model: ResNet,
    weights: tuple[Params, Any],
    mask: Mask,
    config: TrainConfig,
    task: data.Dataset,
    transform: Transform,
    trainable: training.Trainable,
    folder: Path,
    devices: parallel.Devices,
) -> Outcome:
    parallel.check_batch_size(config.batch_size, devices)
    per_epoch = steps_per_epoch(len(task.train), config.batch_size)
    program = training.Program(
        model=model,
        objective=config.objective,
        optimizer=config_files.replace(config.optimizer, learning_rate=0.0),
        transform=transform,
        batch_size=config.batch_size,
        total_steps=to_steps(config.duration, per_epoch),
        steps_per_epoch=per_epoch,
        trainable=trainable,
        statistics=config.statistics,
        devices=devices,
    )
    held_out = evaluation.on_devices(task.validation, transform, devices)
    attack = config.objective.attack if config.objective.name == "pgd" else None

    def validate(params: Params, batch_stats: Any) -> float:
        network = evaluation.Network(model, params, batch_stats)
        logits = evaluation.predict(network, held_out, attack=attack, batch_size=config.batch_size)
        return evaluation.top1(logits, task.validation.labels).value

    name = folder.name.rsplit("-", 1)[0]
    return Loop(program, config, task.train, mask, validate, folder, name).fit(*weights)


def _training_result(folder: Path, outcome: Outcome) -> dict[str, Any]:
    timing = {"seconds": outcome.seconds, "images_per_second": outcome.images_per_second}
    write_json(folder / "timing.json", timing)
    return {"step": outcome.step, "validation": outcome.validation}


def _spread(labels: np.ndarray, count: int | None) -> np.ndarray:
    """Return `count` indices spread evenly over a split, or all."""
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return np.linspace(0, len(labels) - 1, count).astype(int)
