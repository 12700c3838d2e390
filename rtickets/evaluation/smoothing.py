"""Randomized smoothing: accuracy that no L2 perturbation of a given size can lower.

The smoothed classifier answers with the class that the network gives most often when Gaussian noise
is added to the image. How often is estimated from samples, with exact confidence bounds (Cohen,
Rosenfeld & Kolter 2019). The guarantee is one for real arithmetic: rounding of the noise and of the
network to floating point is not part of it.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import beta, binom, norm

from rtickets.attacks import example_keys
from rtickets.attacks.search import LogitsFn, join_model, split_model
from rtickets.errors import InputError
from rtickets.evaluation.accuracy import Accuracy, share

ABSTAIN = -1


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
    x: Array | np.ndarray,
    key: Array,
    *,
    sigma: float,
    num_classes: int,
    selection_samples: int = 100,
    samples: int = 10_000,
    alpha: float = 0.001,
    batch_size: int = 256,
) -> Certificates:
    """Certify an L2 radius around every image (Cohen et al. 2019, algorithm CERTIFY).

    A first draw of noise chooses the class, an independent second one bounds its probability p from
    below; the radius is sigma * Phi^-1(p).

    Args:
        logits_fn: maps images (B, H, W, C) to logits (B, num_classes), one row per image; the noise
            takes them outside [0, 1]. A `jax.tree_util.Partial` shares its compiled program.
        x: float images (N, H, W, C) in [0, 1]; the device that holds them computes.
        key: one typed PRNG key or one per image.
        sigma: standard deviation of the noise in pixel units, best that of the training.
        num_classes: number of classes.
        selection_samples: size of the first draw.
        samples: size of the second. The paper takes 100 000; no radius can exceed
            sigma * Phi^-1(alpha^(1 / samples)).
        alpha: probability, for each image, that the certificate is wrong.
        batch_size: noisy images per call of the device; changes nothing but the speed.

    Returns:
        The certificates.

    Raises:
        InputError: for images or settings outside their range.
    """
    _check(sigma=sigma, alpha=alpha, selection_samples=selection_samples, samples=samples)
    streams = jax.vmap(jax.random.split)(example_keys(key, len(x)))  # (N, 2)
    count = partial(
        noisy_counts, logits_fn, x, sigma=sigma, num_classes=num_classes, batch_size=batch_size
    )
    selection = count(streams[:, 0], samples=selection_samples)
    counts = count(streams[:, 1], samples=samples)
    chosen = selection.argmax(-1)
    bound = probability_bound(counts[np.arange(len(counts)), chosen], samples, alpha)
    certified = bound > 0.5
    return Certificates(
        np.where(certified, chosen, ABSTAIN).astype(np.int32),
        np.where(certified, sigma * norm.ppf(bound), 0.0),
    )


def predict(
    logits_fn: LogitsFn,
    x: Array | np.ndarray,
    key: Array,
    *,
    sigma: float,
    num_classes: int,
    samples: int = 10_000,
    alpha: float = 0.001,
    batch_size: int = 256,
) -> np.ndarray:
    """Return the classes of the smoothed classifier (Cohen et al. 2019, algorithm PREDICT).

    Args:
        logits_fn: see `certify`.
        x: see `certify`.
        key: see `certify`.
        sigma: see `certify`.
        num_classes: see `certify`.
        samples: number of noisy copies of each image.
        alpha: probability, for each image, of answering with another class.
        batch_size: see `certify`.

    Returns:
        int32 classes (N,), ABSTAIN where a two-sided binomial test does not tell the two most
        frequent apart.

    Raises:
        InputError: for images or settings outside their range.
    """
    _check(alpha=alpha)
    counts = noisy_counts(
        logits_fn, x, key, sigma=sigma, num_classes=num_classes, samples=samples,
        batch_size=batch_size,
    )  # fmt: skip
    second, first = np.sort(counts, axis=-1)[:, -2:].T
    p_value = 2 * binom.sf(first - 1, first + second, 0.5)  # above 1 only in a tie
    return np.where(p_value <= alpha, counts.argmax(-1), ABSTAIN).astype(np.int32)


def noisy_counts(
    logits_fn: LogitsFn,
    x: Array | np.ndarray,
    key: Array,
    *,
    sigma: float,
    num_classes: int,
    samples: int,
    batch_size: int = 256,
) -> np.ndarray:
    """Count the classes of noisy copies of every image.

    Noise belongs to an image's key and the number of the copy, so that an image's counts depend
    neither on the others nor on the batch size.

    Args:
        logits_fn: see `certify`.
        x: see `certify`.
        key: see `certify`.
        sigma: see `certify`.
        num_classes: see `certify`.
        samples: number of copies of each image.
        batch_size: see `certify`.

    Returns:
        int32 (N, num_classes). Logits that are NaN count for no class.

    Raises:
        InputError: for images or settings outside their range.
    """
    _check(sigma=sigma, num_classes=num_classes, samples=samples, batch_size=batch_size)
    _check_images(x)
    x = jnp.asarray(x, jnp.float32)
    function, arguments = split_model(logits_fn)
    counts = jnp.zeros((len(x), num_classes), jnp.int32)
    fixed = arguments, x, example_keys(key, len(x)), jnp.float32(sigma), jnp.int32(samples)
    # On one device from the start: counts that moved in the first call would compile the second.
    device = min(x.devices(), key=lambda device: device.id)
    fixed, counts = jax.device_put((fixed, counts), device)
    run = _compiled(function, batch_size)
    for start in range(0, len(x) * samples, batch_size):
        counts = run(fixed, np.array(divmod(start, samples), np.int32), counts)
    return np.asarray(counts)


@lru_cache(maxsize=16)
def _compiled(function: Callable[..., Array], batch_size: int) -> Any:
    def add_counts(fixed: Any, start: Array, counts: Array) -> Array:
        """Add the next `batch_size` copies, numbered through all images, from (image, copy) on."""
        arguments, x, keys, sigma, samples = fixed
        copy = start[1] + jnp.arange(batch_size)
        image, copy = start[0] + copy // samples, copy % samples
        inside, image = image < len(x), jnp.minimum(image, len(x) - 1)
        noise_keys = jax.vmap(jax.random.fold_in)(keys[image], copy)
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(noise_keys)
        logits = join_model(function, arguments)(x[image] + sigma * noise)
        if logits.shape != (batch_size, counts.shape[1]):
            raise InputError(
                f"num_classes={counts.shape[1]} does not fit logits of shape {logits.shape} for "
                f"{batch_size} images"
            )
        counted = inside & ~jnp.isnan(logits).any(-1)
        return counts.at[image, logits.argmax(-1)].add(counted.astype(jnp.int32))

    return jax.jit(add_counts)


def probability_bound(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    """Return lower bounds of probabilities (Clopper & Pearson 1934, one-sided).

    Args:
        successes: integers (N,) in 0 ... trials.
        trials: number of independent trials.
        alpha: probability that the bound exceeds the true value.

    Returns:
        float64 (N,).
    """
    successes = np.asarray(successes)
    bound = beta.ppf(alpha, np.maximum(successes, 1), trials - successes + 1)
    return np.where(successes > 0, bound, 0.0)


def certified_accuracy(
    certificates: Certificates, labels: np.ndarray, radii: Sequence[float]
) -> list[Accuracy]:
    """Return how often the prediction is the label's and certified at least up to each radius.

    Args:
        certificates: of N images.
        labels: integers (N,).
        radii: L2 radii in pixel units.

    Returns:
        One accuracy per radius, with a 95% interval over examples; abstaining is never correct.

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
    return [share(int((correct & (certified >= r)).sum()), len(labels)) for r in radii]


def _check(**settings: float) -> None:
    """Raise InputError for the first setting that is out of its range."""
    for name, value in settings.items():
        least = 2 if name == "num_classes" else 1
        if name == "sigma":
            fine, expected = 0 < value < math.inf, "a finite number above 0, in pixel units"
        elif name == "alpha":
            fine, expected = 0 < value < 1, "between 0 and 1, for instance 0.001"
        else:
            fine = isinstance(value, int | np.integer) and value >= least
            expected = f"an integer of at least {least}"
        if not fine:
            raise InputError(f"{name}={value} must be {expected}")


def _check_images(x: Array | np.ndarray) -> None:
    if x.ndim != 4 or not len(x):
        raise InputError(f"x has shape {x.shape}; expected images (N, H, W, C)")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(f"x is {x.dtype}; expected float images in [0, 1], so divide by 255")
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f"x has values from {low:g} to {high:g}; expected [0, 1]")
