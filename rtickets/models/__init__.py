"""Networks by name."""

from functools import lru_cache
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.config.fields import Arch
from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.models.efficientnet_lite import EfficientNetLite
from rtickets.models.resnet import (
    BasicBlock,
    Bottleneck,
    CaffeBottleneck,
    ResNet,
    Stem,
    WideBottleneck,
)
from rtickets.models.wide_resnet import WideResNet

Model = ResNet | WideResNet | EfficientNetLite
Precision = Literal["float32", "bfloat16"]

_RESNETS: dict[str, dict[str, Any]] = {
    "resnet18": {"stage_sizes": (2, 2, 2, 2), "block": BasicBlock},
    "resnet34": {"stage_sizes": (3, 4, 6, 3), "block": BasicBlock},
    "resnet50": {"stage_sizes": (3, 4, 6, 3), "block": Bottleneck},
    "resnet101": {"stage_sizes": (3, 4, 23, 3), "block": Bottleneck},
    "resnet152": {"stage_sizes": (3, 8, 36, 3), "block": Bottleneck},
    "resnet50_thin": {"stage_sizes": (3, 4, 6, 3), "block": CaffeBottleneck},
    "wide_resnet50_2": {"stage_sizes": (3, 4, 6, 3), "block": WideBottleneck},
}
# blocks per stage and widening factor
_WIDE_RESNETS = {
    "wide_resnet28_10": (4, 10),
    "wide_resnet34_10": (5, 10),
    "wide_resnet34_20": (5, 20),
}


def build(
    arch: Arch,
    num_classes: int,
    *,
    width: float = 1.0,
    stem: Stem | None = None,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    precision: Precision = "float32",
) -> Model:
    """Build a network.

    Args:
        arch: name of the architecture.
        num_classes: width of the head.
        width: multiplier on the number of features of every layer.
        stem: see `ResNet` and `EfficientNetLite`; None is the published one.
        mean: per-channel mean of the images in [0, 1].
        std: per-channel standard deviation likewise.
        precision: compute precision of the backbone.

    Returns:
        A linen module; `apply(variables, x, train)` maps images in [0, 1] to logits.

    Raises:
        InputError: if there is no such architecture, or not with this stem.
    """
    options: dict[str, Any] = {"mean": mean, "std": std, "dtype": jnp.dtype(precision)}
    if arch in _WIDE_RESNETS:
        if stem == "imagenet":
            raise InputError(f"stem='imagenet' does not exist for {arch}; use 'small'")
        blocks, widening = _WIDE_RESNETS[arch]
        return WideResNet(blocks, num_classes, max(1, round(16 * widening * width)), **options)
    options["stem"] = stem or "imagenet"
    if arch == "efficientnet_lite0":
        return EfficientNetLite(num_classes, width, **options)
    if arch not in _RESNETS:
        names = ", ".join([*_RESNETS, *_WIDE_RESNETS, "efficientnet_lite0"])
        raise InputError(f"arch={arch!r} is unknown; choose one of {names}")
    features = max(1, round(64 * width))
    if arch == "resnet50_thin":
        thin = {"stem_features": features, "pool_padding": "end"}
        options |= {**thin, "width": max(1, round(32 * width))}
    return ResNet(**_RESNETS[arch], num_classes=num_classes, **{"width": features, **options})


def initialise(model: Model, key: Array, image_shape: tuple[int, int, int]) -> tuple[Any, Any]:
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


def logits(model: Model, params: Params, batch_stats: Any, x: Array) -> Array:
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


def training_logits(model: Model, params: Params, batch_stats: Any, x: Array) -> tuple[Array, Any]:
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
def _compiled_init(model: Model) -> Any:
    return jax.jit(model.init)
