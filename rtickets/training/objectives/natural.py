"""Objectives that do not attack: cross-entropy on clean and on noisy images."""

import jax
from jax import Array

from rtickets.attacks import LogitsFn
from rtickets.attacks.lengths import why_not_noise
from rtickets.errors import InputError
from rtickets.training.objectives.base import Objective, on_perturbed, unperturbed


def natural(*, label_smoothing: float = 0.0) -> Objective:
    """Return plain cross-entropy on the images as they are.

    Args:
        label_smoothing: part of the target that is spread evenly over all classes.

    Returns:
        The objective.
    """
    return Objective(unperturbed, on_perturbed(label_smoothing))


def gaussian(sigma: float, *, label_smoothing: float = 0.0) -> Objective:
    """Return cross-entropy on images with Gaussian noise (Cohen et al. 2019, section 3.3).

    The noise takes images outside [0, 1], as it does when the network is smoothed.

    Args:
        sigma: standard deviation of the noise in pixel units.
        label_smoothing: part of the target that is spread evenly over all classes.

    Returns:
        The objective.

    Raises:
        InputError: for noise that is certainly too large.
    """
    if why := why_not_noise(sigma):
        raise InputError(why)

    def perturb(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> Array:
        del logits_fn, labels
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
        return images + sigma * noise

    return Objective(perturb, on_perturbed(label_smoothing))
