"""Attacks on a task without classes: its loss is raised, and its own measures say what is left.

Nothing is ever right or wrong here, so no example leaves early, and no verdict says whether the
numbers can be trusted: the checks of `rtickets.attacks.honesty` are made for logits over classes.
"""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.attacks.ensemble.from_settings import at_radius
from rtickets.attacks.settings import AttackConfig
from rtickets.errors import InputError
from rtickets.evaluation.counting import count, count_and_keep
from rtickets.evaluation.entries import entries, of_measures
from rtickets.evaluation.predict import Examples, Gathered, Network
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.evaluation.subject import spread
from rtickets.platform import processes
from rtickets.storage.files import write_bytes
from rtickets.tasks import Measured, Task
from rtickets.tasks.search import check_attackable


def check_without_classes(config: EvaluateConfig, task: Task) -> None:
    """Refuse what an evaluation cannot measure of a task without classes.

    Raises:
        InputError: for attacks on logits over classes, and for certification.
    """
    name = type(task).__name__
    if config.attacks and task.comparison is not None:
        raise InputError(
            f"attacks.{next(iter(config.attacks))}: the task {task.name!r} is judged by comparing "
            "features, which no loss of single examples attacks; transfer the ticket to classes, "
            "and attack it there"
        )
    for label, attack in config.attacks.items():
        check_attackable(task, f"attacks.{label}={attack.name!r}", "leave it out")
        if attack.needs_classes:
            raise InputError(
                f"attacks.{label}={attack.name!r} is of logits over classes, which {name} has not; "
                "choose 'pgd', 'fgsm' or 'fgsm_rs', with the default loss and without input_noise: "
                "they raise the task's own loss"
            )
    if config.smoothing is not None:
        raise InputError(f"smoothing certifies classes, which {name} has not; leave it out")


def measure_losses(
    config: EvaluateConfig, network: Network, examples: Examples, folder: Path
) -> dict[str, Any]:
    """Measure a network under every attack of an evaluation.

    Args:
        config: the evaluation.
        network: the network.
        examples: the split and its task.
        folder: the run folder, for images that are kept.

    Returns:
        'attacks', a result per attack: the headline, all `measures`, and the `curve` over radii;
        'honesty', where there are attacks, which says why nothing was checked.
    """
    if not config.attacks:
        return {"attacks": {}}
    chosen = spread(len(examples.split), config.attack_examples)
    how = {"chosen": chosen, "batch_size": config.batch_size}
    task, attacks = examples.task, {}
    for label, attack in config.attacks.items():
        path = folder / f"adversarial_{label}.npz" if config.save_images else None
        measured = {
            eps: _worst(
                network, examples, at_radius(attack, eps), config.seed,
                path if eps == attack.eps else None, **how,
            )
            for eps in sorted({attack.eps, *attack.radii})
        }  # fmt: skip
        attacks[label] = _result(task, measured, attack.eps, len(chosen))
    reason = f"the checks are of logits over classes, which {type(task).__name__} has not"
    return {"attacks": attacks, "honesty": {"passed": None, "findings": [], "reason": reason}}


def _worst(
    network: Network,
    examples: Examples,
    attack: AttackConfig,
    seed: int,
    path: Path | None,
    **how: Any,
) -> dict[str, Measured]:
    """Return the measures of the answers of the largest loss; their inputs go to the path."""
    task = examples.task
    single: dict[str, Any] = {"radii": (), **({"restarts": 1} if attack.restarts > 1 else {})}
    pgd = {**replace(attack, **single).as_pgd(), "best": True}
    seeds = tuple(_seed(seed, restart) for restart in range(attack.restarts))
    options: dict[str, Any] = {"pgd": pgd, "restarts": seeds}
    if path is None:
        (total,) = count(network, examples, task, **options, **how)
    else:
        kept = Gathered(inputs=True, outputs=False)
        (total,), arrays = count_and_keep(network, examples, (task,), kept, **options, **how)
        processes.on_primary(lambda: _save(path, arrays, task.input))
    return task.measures(total)


def _seed(seed: int, restart: int) -> int:
    """Return the seed of a restart; the first one is the evaluation's own."""
    return seed if not restart else int(np.random.default_rng((seed, restart)).integers(2**31))


def _result(
    task: Task, measured: Mapping[float, dict[str, Measured]], main: float, examples: int
) -> dict[str, Any]:
    at = {eps: of_measures(task, each, examples) for eps, each in measured.items()}
    curve = [{"eps": eps, **each} for eps, each in at.items()]
    return {**at[main], "measures": entries(measured[main]), "curve": curve}


def _save(path: Path, batch: Mapping[str, np.ndarray], inputs: str) -> None:
    """Keep the adversarial inputs, as `x_adv`, and the other arrays of their examples."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(batch)
    np.savez_compressed(buffer, **{"x_adv": arrays.pop(inputs), **arrays})
    write_bytes(path, buffer.getvalue())
