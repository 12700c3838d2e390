"""Normalisation statistics estimated anew, from inputs alone.

Pruning changes what every layer answers, but not the running mean and variance that the layers
after it normalise by. So a ticket that was just drawn may look dead although its weights are good,
and a comparison of tickets is one of stale statistics. What is done here needs no label and moves
no weight: the network is run on some batches as in training, and every layer gets the mean and the
variance of what it then saw, pooled over all of them (PreciseBN, Wu & Johnson 2021, section 3;
AdaBN, Li et al. 2017, where the inputs are those of the target).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets import models
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation.predict import Network
from rtickets.models.calling import apply
from rtickets.platform import parallel
from rtickets.settings.kinds import STRICT, Positive, Seed
from rtickets.tasks import Task

_PAIR = {"mean", "var"}
_LARGE = 2.0**20  # against which what a batch adds is small, so that rounding does not show


@dataclass(frozen=True, config=STRICT)
class RecalibrateConfig:
    """Normalisation statistics estimated anew on training images, without their labels.

    Attributes:
        batches: number of batches.
        batch_size: images in each, best as many as in training.
        seed: chooses the images; networks that are compared see the same ones.
    """

    batches: Positive = 8
    batch_size: Positive = 128
    seed: Seed = 0

    @property
    def count(self) -> int:
        """The number of images."""
        return self.batches * self.batch_size

    def at_most(self, examples: int) -> "RecalibrateConfig":
        """Return the same for a split of so many examples, with as much of it as there is."""
        size = min(self.batch_size, examples)
        return RecalibrateConfig(max(min(self.batches, examples // size), 1), size, self.seed)

    def check(self, examples: int) -> None:
        """Raise InputError if there are fewer training examples than it takes."""
        if self.count > examples:
            raise InputError(
                f"recalibrate: {self.batches} batches of {self.batch_size} take {self.count:,} "
                f"training examples, there are {examples:,}; lower batches or batch_size"
            )

    @property
    def words(self) -> str:
        """What is done, in words for results and reports."""
        return f"{self.batches} batches of {self.batch_size} training images, without labels"


@dataclass(frozen=True, config=STRICT)
class TransferRecalibrateConfig(RecalibrateConfig):
    """As `RecalibrateConfig`, before a transfer.

    Attributes:
        on: images of the 'target', or of the 'source', which the ticket was last trained on.
    """

    on: Literal["source", "target"] = "target"


def input_batches(
    split: Split, task: Task, transform: Transform, config: RecalibrateConfig
) -> Iterator[Array]:
    """Return inputs, as the network is evaluated on them, drawn without repetition.

    Raises:
        InputError: if the split has fewer than `config` asks for, before any batch is made.
    """
    parts, prepare = _parts(split, config), prepare_inputs(task, transform)
    return (prepare(split.take(part).decoded()) for part in parts)


def training_batches(
    split: Split,
    task: Task,
    transform: Transform,
    config: RecalibrateConfig,
    devices: parallel.Devices,
) -> Iterator[Array]:
    """Return inputs of the same examples as the network is trained on them, changed at random.

    Changes follow from the seed. Every batch is split over the devices of this process.

    Raises:
        InputError: as `input_batches`.
    """
    parts, prepare = _parts(split, config), _training_inputs(task, transform)

    def made(number: int, part: np.ndarray) -> Array:
        key = jax.random.fold_in(jax.random.key(config.seed), number)
        raw = jax.random.split(key, len(part)), split.take(part).decoded()
        found: Array = prepare(*parallel.spread(raw, devices))
        return found

    return (made(number, part) for number, part in enumerate(parts))


def _parts(split: Split, config: RecalibrateConfig) -> np.ndarray:
    """Return which examples are in every batch."""
    config.check(len(split))
    order = np.random.default_rng(config.seed).permutation(len(split))[: config.count]
    return np.sort(order.reshape(config.batches, -1), axis=1)


def recalibrated(network: Network, batches: Iterable[Array | np.ndarray]) -> Any:
    """Return the normalisation statistics of a network on other inputs.

    Nothing that the network draws in training (dropout) is drawn. The statistics that it has do not
    count, so that doing it again with the same batches gives the same.

    Args:
        network: the network, its weights masked.
        batches: inputs (B, ...) as it takes them, all of one B, which should be as large as in
            training: a layer sees what the layers before it make of a single batch.

    Returns:
        A pytree like `network.batch_stats`, float32 on the host: means over all inputs and places,
        and biased variances around them.

    Raises:
        InputError: if there are no batches, they differ in size, or the state holds something else
            than means and variances.
    """
    _check_state(network.batch_stats)
    moments = _moments(network.model)
    found: list[Any] = []
    sizes = set()
    for batch in batches:
        sizes.add(len(jax.tree.leaves(batch)[0]))
        found.append(jax.device_get(moments(network.params, network.batch_stats, batch)))
    if not found:
        raise InputError("no batches to estimate normalisation statistics from; give one at least")
    if len(sizes) > 1:
        raise InputError(
            f"batches have sizes {', '.join(map(str, sorted(sizes)))}, so that means over them are "
            "none over their inputs; give batches of one size"
        )
    return _pooled(jax.tree.map(lambda *each: np.stack(each).astype(np.float64), *found))


def _check_state(state: Any) -> None:
    if not state:
        return
    if all(isinstance(part, Mapping) for part in state.values()):
        for part in state.values():
            _check_state(part)
    elif set(state) != _PAIR:
        raise InputError(
            f"a state of {', '.join(map(repr, state))} is no mean and variance of a normalisation "
            "layer, so that it cannot be estimated anew; leave recalibration out"
        )


@lru_cache(maxsize=16)
def prepare_inputs(task: Task, transform: Transform) -> Any:
    """Return what turns stored arrays of examples into what a network is called with."""

    def seen(raw: Any) -> Any:
        batch = task.prepare(transform, raw)
        return task.seen(batch, batch[task.input])

    return jax.jit(seen)


@lru_cache(maxsize=16)
def _training_inputs(task: Task, transform: Transform) -> Any:
    """Return what turns keys and stored arrays into what a network is called with in training."""

    def seen(keys: Array, raw: Any) -> Any:
        batch = task.augment(transform, keys, raw)
        return task.seen(batch, batch[task.input])

    return jax.jit(seen)


@lru_cache(maxsize=16)
def _moments(model: models.Model) -> Any:
    """Return the function from weights, state and a batch to mean and variance of every layer."""

    def moments(params: Any, state: Any, inputs: Array) -> Any:
        # A layer's new statistics are keep * old + (1 - keep) * those of the batch, with a `keep`
        # of its own, and the old ones touch nothing else in training.
        def updated(old: float) -> Any:
            filled = jax.tree.map(lambda leaf: jnp.full_like(leaf, old), state)
            return apply(model, params, filled, inputs, train=True)[1]

        at_zero, at_large = updated(0.0), updated(_LARGE)
        keep = jax.tree.map(lambda zero, large: (large - zero) / _LARGE, at_zero, at_large)
        return jax.tree.map(lambda zero, kept: zero / (1 - kept), at_zero, keep)

    return jax.jit(moments)


def _pooled(state: Any) -> Any:
    """Return the mean and variance over all batches, (batches, features) each."""
    if set(state) != _PAIR:
        return {name: _pooled(part) for name, part in state.items()}
    means, variances = state["mean"], state["var"]
    variance = variances.mean(0) + means.var(0)  # the law of total variance
    return {"mean": means.mean(0).astype(np.float32), "var": variance.astype(np.float32)}
