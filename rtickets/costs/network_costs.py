"""What a network costs, from its shapes alone: nothing is compiled, nothing allocated."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets import masks, models
from rtickets.data.images.augment import Transform
from rtickets.models import onednn
from rtickets.models.calling import STATE, apply
from rtickets.models.inputs import Inputs
from rtickets.models.settings import ModelConfig
from rtickets.platform import parallel
from rtickets.tasks import Task
from rtickets.tickets.compaction.trace import plainly

_PROBE = 4  # images that shapes are traced with


class Questions(NamedTuple):
    """What is asked about examples, where all their arrays are known without reading images.

    Attributes:
        task: the task.
        transform: from stored examples to what the task's batches hold.
        stored: what an example is stored as.
    """

    task: Task
    transform: Transform
    stored: Inputs


class NetworkCost(NamedTuple):
    """Costs of a network on images of one shape.

    Attributes:
        weights: number of parameters.
        prunable: how many of them lie in layers that are pruned by default.
        forward: floating point operations of a forward pass, per image.
        activations: bytes that a forward pass keeps for the backward pass, per image.
    """

    weights: int
    prunable: int
    forward: float
    activations: float


@lru_cache(maxsize=64)
def network_cost(
    config: ModelConfig,
    width: int,
    inputs: Inputs | tuple[int, ...],
    make_head: Callable[[int], Any] = models.LinearHead,
    output_stride: int | None = None,
    asked: Questions | None = None,
) -> NetworkCost:
    """Return costs from traced shapes and XLA's count of operations before any optimisation.

    Args:
        width: of the network's head.
        inputs: what it takes; (H, W, C) of images.
        make_head: see `Task.head`.
        output_stride: see `Task.backbone_stride`.
        asked: whose loss is counted among what is kept; None counts none.
    """
    model = models.from_config(config, width, make_head=make_head, output_stride=output_stride)
    models.check_inputs(model, models.as_inputs(inputs))
    x = models.placeholders(models.as_inputs(inputs), _PROBE)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    params, batch_stats = variables["params"], variables.get(STATE, {})

    keys = jax.eval_shape(partial(jax.random.split, num=_PROBE), jax.random.key(0))
    batch = None if asked is None else _batch_of(asked, keys)

    def loss(
        params: Any, batch_stats: Any, x: Any, drawing: Any = None, batch: Any = None
    ) -> Array:
        outputs, _ = apply(model, params, batch_stats, x, True, drawing)
        if asked is not None and batch is not None:
            return asked.task.loss(outputs, batch).sum()
        return sum((leaf.sum() for leaf in jax.tree.leaves(outputs)), jnp.zeros(()))

    with nn.intercept_methods(plainly) if onednn.is_on() else nullcontext():  # else they count as 0
        counted = jax.jit(loss).lower(params, batch_stats, x).cost_analysis() or {}

    def pullback(params: Any, *others: Any) -> Any:
        return jax.vjp(lambda p: loss(p, *others), params)[1]

    drawing = keys if models.draws(model) else None
    kept = jax.tree.leaves(jax.eval_shape(pullback, params, batch_stats, x, drawing, batch))
    fixed = _bytes(params)  # are kept as well, however many images there are
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    selected = jax.tree.leaves(masks.select(params))
    return NetworkCost(
        weights=sum(sizes),
        prunable=sum(size for size, marked in zip(sizes, selected, strict=True) if marked),
        forward=float(counted.get("flops", 0.0)) / _PROBE,
        activations=max(sum(map(_bytes, kept)) - fixed, 0) / _PROBE,
    )


def _batch_of(asked: Questions, keys: Any) -> Any:
    """Return the shapes of a batch of a task."""
    raw = {
        each.name: jax.ShapeDtypeStruct((_PROBE, *each.shape), each.dtype) for each in asked.stored
    }
    return jax.eval_shape(partial(asked.task.augment, asked.transform), keys, raw)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def measured_rate(devices: parallel.Devices, precision: str = "float32") -> float:
    """Measure in a second or so how many floating point operations this machine does in one.

    They are those of a convolution, over all devices; simulated CPU devices share what there is.

    Args:
        precision: of the multiplication.
    """
    size, features = 28, 128
    x = jnp.ones((64, size, size, features), precision)
    kernel = jnp.ones((3, 3, features, features), precision)

    @jax.jit
    def convolve(x: Array) -> Array:
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    x = jax.device_put(x, devices[0])
    best = math.inf
    for _ in range(4):  # the first one compiles
        start = time.monotonic()
        jax.block_until_ready(convolve(x))
        best = min(best, time.monotonic() - start)
    rate = 2 * 9 * x.size * features / best
    return rate if devices[0].platform == "cpu" else rate * len(devices)
