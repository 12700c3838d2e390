"""Networks by name."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.models.calling import STATE, apply
from rtickets.models.efficientnet_lite import EfficientNetLite
from rtickets.models.preact_resnet import PreActResNet
from rtickets.models.resnet import (
    BasicBlock,
    Bottleneck,
    CaffeBottleneck,
    ResNet,
    Stem,
    WideBottleneck,
)
from rtickets.models.settings import Activation, Arch, ModelConfig, Variant, variants_of
from rtickets.models.wide_resnet import WideResNet

Model = ResNet | WideResNet | PreActResNet | EfficientNetLite
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
    "wide_resnet40_2": (6, 2),
    "wide_resnet70_16": (11, 16),
    "wide_resnet82_8": (13, 8),
    "wide_resnet94_16": (15, 16),
}
_PREACT_RESNETS = {"preact_resnet18": (2, 2, 2, 2), "preact_resnet34": (3, 4, 6, 3)}
_PREACT_VARIANTS: dict[str | None, dict[str, Any]] = {
    None: {},
    "deepmind": {"shortcut": "input 3x3", "padding": "end"},
    "kuangliu": {"final_norm": False},
    "wong": {"final_norm": False, "shortcut": "input"},
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
    variant: Variant | None = None,
    activation: Activation | None = None,
) -> Model:
    """Build a network, a linen module that maps images in [0, 1] to logits, see `models.calling`.

    Args:
        num_classes: width of the head.
        width: multiplier on the number of features of every layer.
        stem: see `ResNet` and `EfficientNetLite`; None is the published one.
        mean: per-channel mean of the images in [0, 1].
        std: per-channel standard deviation likewise.
        precision: compute precision of the backbone.
        variant: see `ModelConfig`, as `activation`.

    Raises:
        InputError: if there is no such architecture, or not with this stem or variant, or pixel
            statistics are none of images in [0, 1].
    """
    check_statistics(mean, std)
    if variant is not None and variant not in variants_of(arch):
        names = ", ".join(variants_of(arch)) or "none"
        raise InputError(f"variant={variant!r} does not exist for {arch}, which has {names}")
    options: dict[str, Any] = {"mean": mean, "std": std, "dtype": jnp.dtype(precision)}
    if arch == "efficientnet_lite0":
        if activation is not None:
            raise InputError(f"activation={activation!r}: efficientnet_lite0 has ReLU6; leave it")
        return EfficientNetLite(num_classes, width, stem or "imagenet", **options)
    options["activation"] = activation or ("silu" if variant == "deepmind" else "relu")
    if arch in _RESNETS:
        return _resnet(arch, num_classes, width, variant, stem=stem or "imagenet", **options)
    if arch not in _WIDE_RESNETS and arch not in _PREACT_RESNETS:
        names = ", ".join([*_RESNETS, *_WIDE_RESNETS, *_PREACT_RESNETS, "efficientnet_lite0"])
        raise InputError(f"arch={arch!r} is unknown; choose one of {names}")
    if stem == "imagenet":
        raise InputError(f"stem='imagenet' does not exist for {arch}; use 'small'")
    if arch in _PREACT_RESNETS:
        options |= _PREACT_VARIANTS[variant]
        return PreActResNet(_PREACT_RESNETS[arch], num_classes, _features(64 * width), **options)
    blocks, widening = _WIDE_RESNETS[arch]
    options["padding"] = "end" if variant == "deepmind" else "symmetric"
    return WideResNet(blocks, num_classes, _features(16 * widening * width), **options)


def _features(count: float) -> int:
    return max(1, round(count))


def _resnet(
    arch: str, num_classes: int, width: float, variant: str | None, **options: Any
) -> ResNet:
    found: dict[str, Any] = {**_RESNETS[arch], "width": _features(64 * width), **options}
    if arch == "resnet50_thin":
        found |= {"stem_features": found["width"], "pool_padding": "end"}
        found |= {"width": _features(32 * width)}
    if variant == "caffe":
        found["block"] = CaffeBottleneck
    return ResNet(num_classes=num_classes, **found)


def check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise InputError for per-channel pixel statistics that are not those of images in [0, 1].

    It is raised for those of images in [0, 255], of different lengths, or none at all.
    """
    problems = []
    if len(mean) != len(std) or not len(mean):
        problems.append(f"they have {len(mean)} and {len(std)} values, expected one per channel")
    if not all(0 <= value <= 1 for value in mean):
        problems.append("a mean lies outside [0, 1]")
    if not all(0 < value <= 1 for value in std):
        problems.append("a standard deviation is not in (0, 1]")
    if problems:
        hint = "; divide those of pixels in [0, 255] by 255" if max((*mean, *std, 0)) > 1 else ""
        raise InputError(
            f"pixel statistics mean={tuple(mean)}, std={tuple(std)} are not those of images in "
            f"[0, 1]: {'; '.join(problems)}{hint}"
        )


def from_config(
    config: ModelConfig,
    num_classes: int,
    *,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
) -> Model:
    """Build the network that a configuration describes; arguments as of `build`."""
    return build(
        config.arch, num_classes, width=config.width, stem=config.stem, mean=mean, std=std,
        precision=config.precision, variant=config.variant, activation=config.activation,
    )  # fmt: skip


def epsilon_of(model: Model) -> float:
    """Return what the normalisation layers of a network add to variances."""
    return 1e-3 if isinstance(model, EfficientNetLite) else 1e-5


def initialise(model: Model, key: Array, image_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Draw initial weights for images (H, W, C).

    Returns:
        (params, batch_stats), float32 pytrees; the second is {} without normalisation statistics.
    """
    variables = _compiled_init(model)(key, jnp.zeros((1, *image_shape), jnp.float32))
    return variables["params"], variables.get(STATE, {})


def logits(model: Model, params: Params, batch_stats: Any, x: Array) -> Array:
    """Return the float32 logits of images, normalisation statistics frozen, row by row."""
    return cast(Array, apply(model, params, batch_stats, x)[0])


def training_logits(model: Model, params: Params, batch_stats: Any, x: Array) -> tuple[Array, Any]:
    """Return the logits of images under batch statistics, and the updated running statistics."""
    return apply(model, params, batch_stats, x, True)


@lru_cache(maxsize=16)
def _compiled_init(model: Model) -> Any:
    return jax.jit(model.init)
