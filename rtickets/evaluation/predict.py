"""Logits of a whole split, clean or under attack."""

from collections.abc import Generator
from contextlib import closing
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models
from rtickets.attacks import pgd
from rtickets.attacks.settings import AttackConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.stream import Batch, evaluation_batches
from rtickets.data.images.streamed import StreamedImages
from rtickets.masks import Params
from rtickets.platform import parallel, preemption
from rtickets.platform.short_repr import with_short_repr

_IN_FLIGHT = 2  # batches that may be under way before the host waits for one


@with_short_repr
class Network(NamedTuple):
    """A network ready to predict.

    Attributes:
        model: the linen module.
        params: its weights, masked already.
        batch_stats: its normalisation statistics.
    """

    model: models.Model
    params: Params
    batch_stats: Any


@with_short_repr
class Examples(NamedTuple):
    """A split on the devices, or streamed, with what is done to its images there."""

    split: Split
    transform: Transform
    devices: parallel.Devices

    @property
    def streamed(self) -> bool:
        """Whether the images stay on disk."""
        return isinstance(self.split.images, StreamedImages)


def on_devices(split: Split, transform: Transform, devices: parallel.Devices) -> Examples:
    """Copy a split to the devices for any number of predictions, unless it is streamed."""
    if isinstance(split.images, StreamedImages):
        return Examples(split, transform, devices)
    return Examples(Split(*parallel.replicate(tuple(split), devices)), transform, devices)


def predict(
    network: Network,
    examples: Examples,
    *,
    attack: AttackConfig | None = None,
    batch_size: int = 256,
    seed: int = 0,
) -> np.ndarray:
    """Return the logits of every example.

    The last batch is filled up, so that nothing is compiled twice. Random starts belong to the
    example's position in the split, so that results do not depend on the batch size.

    Args:
        network: the network.
        examples: the split.
        attack: attack the images first, by one of the pgd family; its radius and step are data.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attack's random starts.

    Returns:
        float32 logits (N, classes).

    Raises:
        Preempted: if the process was asked to stop.
    """
    devices = examples.devices
    batch_size = -(-batch_size // len(devices)) * len(devices)
    count = len(examples.split)
    padded = -(-count // batch_size) * batch_size
    order = np.minimum(np.arange(padded, dtype=np.int32), count - 1)
    replicated = parallel.replicate((network.params, network.batch_stats), devices)
    key = jax.random.key(seed)
    settings = attack.as_pgd() if attack else {"eps": 0.0, "step_size": 0.0}
    size = jnp.float32(settings.pop("eps")), jnp.float32(settings.pop("step_size"))
    inner = tuple(settings.items()) if attack else None
    run = _compiled(network.model, examples.transform, inner, devices, examples.streamed)
    parts: list[Any] = []
    check = preemption.late_check(devices)
    with closing(_batches(examples, order, batch_size)) as batches:
        for place, batch in zip(np.split(order, padded // batch_size), batches, strict=True):
            check()
            if len(parts) >= _IN_FLIGHT:
                jax.block_until_ready(parts[-_IN_FLIGHT])
            parts.append(run(*replicated, *batch, parallel.shard(place, devices), key, *size))
    return np.concatenate([np.concatenate(np.asarray(part)) for part in parts])[:count]


def _batches(
    examples: Examples, order: np.ndarray, batch_size: int
) -> Generator[tuple[Any, Any], None, None]:
    """Yield the images and labels of every call: always all of them, or those that it needs."""
    split, devices = examples.split, examples.devices
    if not examples.streamed:
        yield from [(split.images, split.labels)] * (len(order) // batch_size)
        return
    mine = parallel.own_part(order.reshape(-1, batch_size), devices, axis=1)

    def put(batch: Batch) -> tuple[Any, Any]:
        shape = (len(devices.local), -1)
        images, labels = (part.reshape(*shape, *part.shape[1:]) for part in batch)
        return parallel.put(images, devices), parallel.put(labels, devices)

    yield from evaluation_batches(split, mine.ravel(), mine.shape[1], put)


@lru_cache(maxsize=32)
def _compiled(
    model: models.Model,
    transform: Transform,
    attack: tuple[tuple[str, Any], ...] | None,
    devices: parallel.Devices,
    streamed: bool,
) -> Any:
    def logits(
        params: Params,
        batch_stats: Any,
        images: Array,
        labels: Array,
        chosen: Array,
        key: Array,
        eps: Array,
        step_size: Array,
    ) -> Array:
        def logits_fn(x: Array) -> Array:
            return models.logits(model, params, batch_stats, x)

        if not streamed:
            images, labels = images[chosen], labels[chosen]
        x = transform.prepare(images)
        if attack is not None:
            keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(chosen)
            x = pgd(logits_fn, x, labels, keys, eps=eps, step_size=step_size, **dict(attack))
        return parallel.gather(logits_fn(x))

    own = 0 if streamed else None
    in_axes = (None, None, own, own, 0, None, None, None)
    return parallel.parallel(logits, in_axes=in_axes, devices=devices)
