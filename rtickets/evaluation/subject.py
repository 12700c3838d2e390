"""A network and the images that it is attacked on."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.tree_util import Partial

from rtickets import models
from rtickets.attacks import LogitsFn
from rtickets.data.arrays import Metric, Split
from rtickets.data.images.augment import Transform
from rtickets.evaluation.predict import Network
from rtickets.platform import parallel
from rtickets.platform.programs import Pinned
from rtickets.platform.short_repr import with_short_repr

_PREPARED = 1024  # images turned into floats at once


@with_short_repr
class Subject(NamedTuple):
    """A network and the images that it is attacked on.

    Attributes:
        network: the network.
        x: float32 images (N, H, W, C) in [0, 1], on the host.
        y: int32 labels (N,).
        keys: typed PRNG keys (N,), of the images' places in the split.
        batch_size: images evaluated at once, over all devices.
        devices: where to compute.
        metric: what accuracies are.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    keys: Array
    batch_size: int
    devices: parallel.Devices
    metric: Metric = "accuracy"

    def take(self, count: int) -> "Subject":
        """Return the subject with `count` images spread evenly over its own, or all."""
        chosen = spread(len(self.y), count)
        return self._replace(x=self.x[chosen], y=self.y[chosen], keys=self.keys[chosen])


def make_subject(
    network: Network,
    split: Split,
    transform: Transform,
    *,
    count: int | None,
    seed: int,
    batch_size: int,
    devices: parallel.Devices,
    metric: Metric = "accuracy",
) -> Subject:
    """Prepare images of a split for attacks.

    Args:
        network: the network.
        split: the split.
        transform: from stored pixels to the network's input.
        count: take so many images, spread evenly, or None for all.
        seed: of all randomness.
        batch_size: images evaluated at once, over all devices.
        devices: where to compute.
        metric: what accuracies are.

    Returns:
        The subject.
    """
    chosen = spread(len(split), count)
    prepare = _compiled(transform)
    parts = np.array_split(chosen, -(-len(chosen) // _PREPARED))
    x = np.concatenate([np.asarray(prepare(np.asarray(split.images[part]))) for part in parts])
    fold = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))
    # resizing may leave [0, 1] by a rounding error
    return Subject(
        network, np.clip(x, 0, 1), split.labels[chosen], fold(chosen), batch_size, devices, metric
    )


def spread(total: int, count: int | None) -> np.ndarray:
    """Return `count` indices spread evenly over 0 ... total - 1, or all."""
    if count is None or count >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, count).astype(int)


def logits_fn(network: Network, devices: parallel.Devices, input_noise: float = 0.0) -> LogitsFn:
    """Return a network as attacks take it, its weights copied to the devices.

    Args:
        network: the network.
        devices: where it will run.
        input_noise: standard deviation of Gaussian noise on its input, in pixel units; positive, it
            is a random model, which takes keys.

    Returns:
        A `Partial` that shares compiled programs with every network of the same model.
    """
    weights = network.params, network.batch_stats
    if not input_noise:
        return Partial(_forward(network.model), *parallel.replicate(weights, devices))
    arguments = parallel.replicate((*weights, np.float32(input_noise)), devices)
    return Partial(_noisy_forward(network.model), *arguments)


@lru_cache(maxsize=16)
def _compiled(transform: Transform) -> Any:
    return jax.jit(transform.prepare)


@lru_cache(maxsize=64)
def _forward(model: models.Model) -> Any:
    return Pinned(partial(models.logits, model))  # linen modules are frozen


@lru_cache(maxsize=64)
def _noisy_forward(model: models.Model) -> Any:
    def forward(params: Any, batch_stats: Any, sigma: Array, x: Array, key: Array) -> Array:
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(key)
        return models.logits(model, params, batch_stats, x + sigma * noise)

    return Pinned(forward)
