"""Attacks on a task without classes: its loss is raised, and its own measures say what is left.

Nothing is ever right or wrong here, so no example leaves early, and no verdict says whether the
numbers can be trusted: the checks of `rtickets.attacks.honesty` are made for logits over classes.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets.attacks.ensemble.from_settings import at_radius
from rtickets.attacks.settings import AttackConfig
from rtickets.errors import InputError
from rtickets.evaluation.entries import entries, of_outputs
from rtickets.evaluation.predict import Examples, Network, answers, measures_of
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.evaluation.subject import spread
from rtickets.platform import processes
from rtickets.storage.files import write_bytes
from rtickets.tasks import Task


class Found(NamedTuple):
    """The worst answers that an attack found, on the host, of N examples.

    Attributes:
        outputs: what the network answers.
        loss: the task's loss of these answers, float32 (N,).
        batch: the examples, with what the network was asked, inside the ball.
    """

    outputs: Any
    loss: np.ndarray
    batch: dict[str, np.ndarray]


def check_without_classes(config: EvaluateConfig, task: Task) -> None:
    """Refuse what an evaluation cannot measure of a task without classes.

    Raises:
        InputError: for attacks on logits over classes, and for certification.
    """
    name = type(task).__name__
    for label, attack in config.attacks.items():
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
    ask = partial(
        _asked, network, examples, chosen=chosen, batch_size=config.batch_size, keep_inputs=True
    )
    clean, task, attacks = ask(), examples.task, {}
    for label, attack in config.attacks.items():
        found = {
            eps: _worst(ask, at_radius(attack, eps), config.seed, clean)
            for eps in sorted({attack.eps, *attack.radii})
        }
        if config.save_images and processes.is_primary():
            _save(folder / f"adversarial_{label}.npz", found[attack.eps].batch, task.input)
        attacks[label] = _result(task, found, attack.eps)
    reason = f"the checks are of logits over classes, which {type(task).__name__} has not"
    return {"attacks": attacks, "honesty": {"passed": None, "findings": [], "reason": reason}}


def _asked(network: Network, examples: Examples, **options: Any) -> Found:
    outputs, batch = answers(network, examples, **options)
    return Found(outputs, np.asarray(examples.task.loss(outputs, batch)), batch)


def _worst(ask: Callable[..., Found], attack: AttackConfig, seed: int, clean: Found) -> Found:
    """Return the answers of the largest loss over all restarts; the clean ones are candidates."""
    single: dict[str, Any] = {"radii": (), **({"restarts": 1} if attack.restarts > 1 else {})}
    pgd, found = {**replace(attack, **single).as_pgd(), "best": True}, clean
    for restart in range(attack.restarts):
        new = ask(pgd=pgd, seed=_seed(seed, restart))
        worse = np.isnan(new.loss) | (new.loss > found.loss)
        found = jax.tree.map(partial(_pick, worse), new, found)
    return found


def _seed(seed: int, restart: int) -> int:
    """Return the seed of a restart; the first one is the evaluation's own."""
    return seed if not restart else int(np.random.default_rng((seed, restart)).integers(2**31))


def _pick(worse: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(worse.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _result(task: Task, found: Mapping[float, Found], main: float) -> dict[str, Any]:
    at = {eps: of_outputs(task, one.outputs, one.batch) for eps, one in found.items()}
    measures = entries(measures_of(task, found[main].outputs, found[main].batch))
    curve = [{"eps": eps, **each} for eps, each in at.items()]
    return {**at[main], "measures": measures, "curve": curve}


def _save(path: Path, batch: Mapping[str, np.ndarray], inputs: str) -> None:
    """Keep the adversarial inputs, as `x_adv`, and the other arrays of their examples."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(batch)
    np.savez_compressed(buffer, **{"x_adv": arrays.pop(inputs), **arrays})
    write_bytes(path, buffer.getvalue())
