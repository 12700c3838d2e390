"""A network and the images that it is attacked on."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.tree_util import Partial

from rtickets import models
from rtickets.attacks import LogitsFn
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.evaluation.predict import Network
from rtickets.platform import parallel
from rtickets.platform.programs import Pinned
from rtickets.platform.short_repr import with_short_repr
from rtickets.tasks import Classification, Task

_PREPARED = 1024  # images turned into floats at once


@with_short_repr
class Subject(NamedTuple):
    """A network and the images that it is attacked on.

    Attributes:
        network: the network.
        batch: examples of a task with classes as it prepares them, on the host; the images are
            float32 (N, H, W, C) in [0, 1].
        keys: typed PRNG keys (N,), of the images' places in the split.
        batch_size: images evaluated at once, over all devices.
        devices: where to compute.
        task: what is asked of the images, and how answers are judged.
    """

    network: Network
    batch: dict[str, np.ndarray]
    keys: Array
    batch_size: int
    devices: parallel.Devices
    task: Task = Classification()

    @property
    def x(self) -> np.ndarray:
        """The images."""
        return self.batch[self.task.input]

    @property
    def y(self) -> np.ndarray:
        """Their classes, int32 (N,)."""
        labels = self.task.labels(self.batch)
        assert labels is not None  # others are attacked in `loss_attack`
        return np.asarray(labels)

    def take(self, count: int) -> "Subject":
        """Return the subject with `count` images spread evenly over its own, or all."""
        chosen = spread(len(self.x), count)
        batch = {name: each[chosen] for name, each in self.batch.items()}
        return self._replace(batch=batch, keys=self.keys[chosen])


def make_subject(
    network: Network,
    split: Split,
    transform: Transform,
    *,
    count: int | None,
    seed: int,
    batch_size: int,
    devices: parallel.Devices,
    task: Task | None = None,
) -> Subject:
    """Prepare images of a split for attacks.

    Args:
        count: take so many images, spread evenly, or None for all.
        seed: of all randomness.
        task: what is asked of the images, a task with classes; None is to classify them.
    """
    task, chosen = task or Classification(), spread(len(split), count)
    prepare, parts = _compiled(task, transform), []
    for part in np.array_split(chosen, -(-len(chosen) // _PREPARED)):
        parts.append(jax.tree.map(np.asarray, prepare(split.take(part).decoded())))
    batch = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    batch[task.input] = np.clip(batch[task.input], 0, 1)  # resizing may leave it by a rounding
    fold = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))
    return Subject(network, batch, fold(chosen), batch_size, devices, task)


def spread(total: int, count: int | None) -> np.ndarray:
    """Return `count` indices spread evenly over 0 ... total - 1, or all."""
    if count is None or count >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, count).astype(int)


def logits_fn(network: Network, devices: parallel.Devices, input_noise: float = 0.0) -> LogitsFn:
    """Return a network as attacks take it, its weights copied to the devices.

    It is a `Partial` that shares compiled programs with every network of the same model.

    Args:
        input_noise: standard deviation of Gaussian noise on its input, in pixel units; positive, it
            is a random model, which takes keys.
    """
    weights = network.params, network.batch_stats
    if not input_noise:
        return Partial(_forward(network.model), *parallel.replicate(weights, devices))
    arguments = parallel.replicate((*weights, np.float32(input_noise)), devices)
    return Partial(_noisy_forward(network.model), *arguments)


@lru_cache(maxsize=16)
def _compiled(task: Task, transform: Transform) -> Any:
    return jax.jit(partial(task.prepare, transform))


@lru_cache(maxsize=64)
def _forward(model: models.Model) -> Any:
    return Pinned(partial(models.logits, model))  # linen modules are frozen


@lru_cache(maxsize=64)
def _noisy_forward(model: models.Model) -> Any:
    def forward(params: Any, batch_stats: Any, sigma: Array, x: Array, key: Array) -> Array:
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(key)
        return models.logits(model, params, batch_stats, x + sigma * noise)

    return Pinned(forward)
