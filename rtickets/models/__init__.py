"""Networks by name."""

from functools import lru_cache
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.masks import Params
from rtickets.models.resnet import BasicBlock, Bottleneck, ResNet, Stem

Arch = Literal["resnet18", "resnet34", "resnet50"]
Precision = Literal["float32", "bfloat16"]

_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "resnet18": {"stage_sizes": (2, 2, 2, 2), "block": BasicBlock},
    "resnet34": {"stage_sizes": (3, 4, 6, 3), "block": BasicBlock},
    "resnet50": {"stage_sizes": (3, 4, 6, 3), "block": Bottleneck},
}


def build(
    arch: Arch,
    num_classes: int,
    *,
    width: float = 1.0,
    stem: Stem = "imagenet",
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    precision: Precision = "float32",
) -> ResNet:
    """Build a network.

    Args:
        arch: name of the architecture.
        num_classes: width of the head.
        width: multiplier on the number of features of every layer.
        stem: see `ResNet`.
        mean: per-channel mean of the images in [0, 1].
        std: per-channel standard deviation likewise.
        precision: compute precision of the backbone.

    Returns:
        A linen module; `apply(variables, x, train)` maps images in [0, 1] to logits.
    """
    return ResNet(
        **_ARCHITECTURES[arch],
        num_classes=num_classes,
        width=max(1, round(64 * width)),
        stem=stem,
        mean=mean,
        std=std,
        dtype=jnp.dtype(precision),
    )


def initialise(model: ResNet, key: Array, image_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Draw initial weights.

    Args:
        model: a network of `build`.
        key: PRNG key.
        image_shape: (H, W, C) of one image.

    Returns:
        (params, batch_stats), float32 pytrees.
    """
    variables = _compiled_init(model)(key, jnp.zeros((1, *image_shape), jnp.float32))
    return variables["params"], variables["batch_stats"]


def logits(model: ResNet, params: Params, batch_stats: Any, x: Array) -> Array:
    """Return the logits of images, normalisation statistics frozen.

    Args:
        model: the network.
        params: its weights.
        batch_stats: its normalisation statistics.
        x: images (B, H, W, C) in [0, 1].

    Returns:
        float32 (B, classes); no row depends on another image.
    """
    return cast(Array, model.apply({"params": params, "batch_stats": batch_stats}, x, False))


def training_logits(model: ResNet, params: Params, batch_stats: Any, x: Array) -> tuple[Array, Any]:
    """Return the logits of images under batch statistics, and the updated running statistics.

    Args:
        model: the network.
        params: its weights.
        batch_stats: its normalisation statistics.
        x: images (B, H, W, C) in [0, 1].

    Returns:
        (float32 (B, classes), new statistics).
    """
    variables = {"params": params, "batch_stats": batch_stats}
    output, updated = model.apply(variables, x, True, mutable=["batch_stats"])
    return cast(Array, output), updated["batch_stats"]


@lru_cache(maxsize=16)
def _compiled_init(model: ResNet) -> Any:
    return jax.jit(model.init)
