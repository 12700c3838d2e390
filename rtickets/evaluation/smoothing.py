"""Randomized smoothing: accuracy that no L2 perturbation of a given size can lower.

The smoothed classifier answers with the class that the network gives most often when Gaussian noise
is added to the image. How often is estimated from samples, with exact confidence bounds (Cohen,
Rosenfeld & Kolter 2019). The guarantee is one for real arithmetic: rounding of the noise and of the
network to floating point is not part of it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from scipy.special import bdtrc, betaincinv, ndtri

from rtickets.attacks import example_keys
from rtickets.attacks.inputs import KeyLike
from rtickets.attacks.models import LogitsFn
from rtickets.errors import InputError
from rtickets.evaluation.noise import check_settings, noisy_counts, read_images
from rtickets.platform.short_repr import with_short_repr

ABSTAIN = -1


@with_short_repr
class Certificates(NamedTuple):
    """What is known about the smoothed classifier.

    Attributes:
        prediction: int32 classes (N,), ABSTAIN where no class has a certified majority.
        radius: float64 (N,), L2 radii in pixel units inside which the prediction cannot change, 0
            where there is none.
    """

    prediction: np.ndarray
    radius: np.ndarray


def certify(
    logits_fn: LogitsFn,
    x: ArrayLike,
    key: KeyLike,
    *,
    sigma: float,
    num_classes: int,
    selection_samples: int = 100,
    samples: int = 10_000,
    alpha: float = 0.001,
    batch_size: int = 256,
    folder: Path | None = None,
) -> Certificates:
    """Certify an L2 radius around every image (Cohen et al. 2019, algorithm CERTIFY).

    A first draw of noise chooses the class, an independent second one bounds its probability p from
    below; the radius is sigma * Phi^-1(p).

    Args:
        logits_fn: maps images (B, ...) to logits (B, num_classes), one row per image; the noise
            takes them outside [0, 1]. A `jax.tree_util.Partial` shares its compiled program.
        x: floats (N, ...) in [0, 1]; the device that holds them computes.
        key: one PRNG key, or a seed, or one key per image.
        sigma: standard deviation of the noise in pixel units, best that of the training.
        num_classes: number of classes.
        selection_samples: size of the first draw.
        samples: size of the second. The paper takes 100 000; no radius can exceed
            sigma * Phi^-1(alpha^(1 / samples)).
        alpha: probability, for each image, that the certificate is wrong.
        batch_size: noisy images per call of the device; changes nothing but the speed.
        folder: existing folder for the counts, which are written once a minute and from which the
            same call goes on, with the same result as if it had never stopped.

    Returns:
        The certificates.

    Raises:
        InputError: for images or settings outside their range.
        Preempted: if the process was asked to stop; the counts are kept then.
    """
    check_settings(sigma=sigma, alpha=alpha, selection_samples=selection_samples, samples=samples)
    images = read_images(x)
    streams = jax.vmap(jax.random.split)(example_keys(key, len(images)))  # (N, 2)
    count = partial(
        noisy_counts, logits_fn, images, sigma=sigma, num_classes=num_classes, batch_size=batch_size
    )
    kept = (None, None) if folder is None else (folder / "selection.npz", folder / "counts.npz")
    selection = count(streams[:, 0], samples=selection_samples, kept=kept[0])
    counts = count(streams[:, 1], samples=samples, kept=kept[1])
    chosen = selection.argmax(-1)
    bound = probability_bound(counts[np.arange(len(counts)), chosen], samples, alpha)
    certified = bound > 0.5
    return Certificates(
        np.where(certified, chosen, ABSTAIN).astype(np.int32),
        np.where(certified, sigma * ndtri(bound), 0.0),
    )


def predict(
    logits_fn: LogitsFn,
    x: ArrayLike,
    key: KeyLike,
    *,
    sigma: float,
    num_classes: int,
    samples: int = 10_000,
    alpha: float = 0.001,
    batch_size: int = 256,
) -> np.ndarray:
    """Return the classes of the smoothed classifier (Cohen et al. 2019, algorithm PREDICT).

    Arguments are those of `certify`.

    Args:
        alpha: probability, for each image, of answering with another class.

    Returns:
        int32 classes (N,), ABSTAIN where a two-sided binomial test does not tell the two most
        frequent apart.

    Raises:
        InputError: for images or settings outside their range.
    """
    check_settings(alpha=alpha)
    counts = noisy_counts(
        logits_fn, x, key, sigma=sigma, num_classes=num_classes, samples=samples,
        batch_size=batch_size,
    )  # fmt: skip
    second, first = np.sort(counts, axis=-1)[:, -2:].T
    p_value = 2 * bdtrc(first - 1, first + second, 0.5)  # above 1 only in a tie
    return np.where(p_value <= alpha, counts.argmax(-1), ABSTAIN).astype(np.int32)


def probability_bound(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    """Return lower bounds of probabilities (Clopper & Pearson 1934, one-sided), float64 (N,).

    Args:
        successes: integers (N,) in 0 ... trials.
        alpha: probability that the bound exceeds the true value.
    """
    successes = np.asarray(successes)
    bound = betaincinv(np.maximum(successes, 1), trials - successes + 1, alpha)
    return np.where(successes > 0, bound, 0.0)


def certified_right(
    certificates: Certificates, labels: np.ndarray, radii: Sequence[float]
) -> list[np.ndarray]:
    """Return which predictions are the label's and certified at least up to each radius, bool (N,).

    Radii are L2 in pixel units; abstaining is never right.

    Raises:
        InputError: if labels and certificates differ in number, or for a negative radius.
    """
    prediction, certified = certificates
    labels = np.asarray(labels)
    if labels.shape != prediction.shape:
        raise InputError(f"labels have shape {labels.shape}, certificates {prediction.shape}")
    if not all(radius >= 0 for radius in radii):
        raise InputError(f"radii={list(radii)} must be at least 0")
    correct = (prediction == labels) & (prediction != ABSTAIN)
    return [correct & (certified >= radius) for radius in radii]
