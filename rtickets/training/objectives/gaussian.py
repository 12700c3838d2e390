"""Training on images with Gaussian noise, for networks that are to be smoothed."""

from collections.abc import Iterator
from typing import Literal

import jax
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.attacks.lengths import why_not_noise
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.tasks import Batch, Task
from rtickets.tasks.search import OutputsFn
from rtickets.training.objectives.base import CLASSIFICATION, Objective, Perturbed, on_perturbed
from rtickets.training.objectives.settings import ObjectiveConfig


def gaussian(sigma: float, task: Task = CLASSIFICATION) -> Objective:
    """Return the loss on images with Gaussian noise (Cohen et al. 2019, section 3.3).

    Its standard deviation is `sigma`, in pixel units. The noise takes images outside [0, 1], as it
    does when the network is smoothed.

    Raises:
        InputError: for noise that is certainly too large.
    """
    if why := why_not_noise(sigma):
        raise InputError(why)

    def perturb(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> Perturbed:
        del outputs_fn
        images: Array = batch[task.input]
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
        return Perturbed(images + sigma * noise)

    return Objective(perturb, on_perturbed(task))


@dataclass(frozen=True, config=STRICT)
class Gaussian(ObjectiveConfig):
    """The loss on images with Gaussian noise.

    Attributes:
        sigma: standard deviation of the noise in pixel units.
    """

    name: Literal["gaussian"] = "gaussian"
    sigma: NotNegative = 0.25

    @property
    def changes_inputs(self) -> bool:
        """Noise is added to them."""
        return True

    def make(self, task: Task) -> Objective:
        """Return `gaussian`."""
        return gaussian(self.sigma, task)

    def problems(self) -> Iterator[str]:
        """Yield that the noise is certainly too large."""
        if why := why_not_noise(self.sigma):
            yield why
