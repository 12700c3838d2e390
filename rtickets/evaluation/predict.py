"""Logits of a whole split, clean or under attack."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models, parallel, preemption
from rtickets.attacks import pgd
from rtickets.config import AttackConfig
from rtickets.data.arrays import Split
from rtickets.data.augment import Transform
from rtickets.masks import Params

_IN_FLIGHT = 2  # batches that may be under way before the host waits for one


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


class Examples(NamedTuple):
    """A split on the devices, with what is done to its images there."""

    split: Split
    transform: Transform
    devices: parallel.Devices


def on_devices(split: Split, transform: Transform, devices: parallel.Devices) -> Examples:
    """Copy a split to the devices for any number of predictions."""
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
    run = _compiled(network.model, examples.transform, inner, devices)
    parts: list[Any] = []
    for batch in np.split(order, padded // batch_size):
        preemption.check()
        if len(parts) >= _IN_FLIGHT:
            jax.block_until_ready(parts[-_IN_FLIGHT])
        parts.append(run(*replicated, *examples.split, parallel.shard(batch, devices), key, *size))
    return np.concatenate([np.concatenate(np.asarray(part)) for part in parts])[:count]


@lru_cache(maxsize=32)
def _compiled(
    model: models.Model,
    transform: Transform,
    attack: tuple[tuple[str, Any], ...] | None,
    devices: parallel.Devices,
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

        x = transform.prepare(images[chosen])
        if attack is not None:
            keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(chosen)
            x = pgd(
                logits_fn, x, labels[chosen], keys, eps=eps, step_size=step_size, **dict(attack)
            )
        return parallel.gather(logits_fn(x))

    in_axes = (None, None, None, None, 0, None, None, None)
    return parallel.parallel(logits, in_axes=in_axes, devices=devices)
