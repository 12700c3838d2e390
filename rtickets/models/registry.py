"""Networks by name, and how they are built."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.models.architectures import ARCHITECTURES, Architecture, Request, Stem
from rtickets.models.bert import make_bert
from rtickets.models.calling import STATE, apply
from rtickets.models.deep_decoder import make_deep_decoder
from rtickets.models.efficientnet_lite import make_efficientnet_lite
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.hourglass import HOURGLASSES
from rtickets.models.inputs import ImageShape, Inputs, as_inputs, placeholders
from rtickets.models.network import BackboneAndHead, LinearHead
from rtickets.models.preact_resnet import make_preact_resnet
from rtickets.models.resnet import (
    BasicBlock,
    Bottleneck,
    CaffeBottleneck,
    WideBottleneck,
    make_resnet,
)
from rtickets.models.settings import (
    Activation,
    ModelConfig,
    Variant,
    why_not_encoder,
    why_not_variant,
)
from rtickets.models.supernet import TABLES, supernet
from rtickets.models.wide_resnet import make_wide_resnet
from rtickets.models.widths import Widths, read_widths

Model = BackboneAndHead
Precision = Literal["float32", "bfloat16"]
_SMALL = ("small",)
_PREACT = ("deepmind", "kuangliu", "wong")


def _resnet(sizes: tuple[int, ...], block: Any, *variants: str, thin: bool = False) -> Architecture:
    make = partial(make_resnet, stage_sizes=sizes, block=block, thin=thin)
    return Architecture(make, variants=variants, dilates=True)


def _wide(blocks: int, widening: int) -> Architecture:
    make = partial(make_wide_resnet, blocks=blocks, widening=widening)
    return Architecture(make, _SMALL, ("deepmind",))


def _preact(*sizes: int) -> Architecture:
    return Architecture(partial(make_preact_resnet, stage_sizes=sizes), _SMALL, _PREACT)


ARCHITECTURES |= {
    "resnet18": _resnet((2, 2, 2, 2), BasicBlock),
    "resnet34": _resnet((3, 4, 6, 3), BasicBlock),
    "resnet50": _resnet((3, 4, 6, 3), Bottleneck, "caffe"),
    "resnet101": _resnet((3, 4, 23, 3), Bottleneck, "caffe"),
    "resnet152": _resnet((3, 8, 36, 3), Bottleneck, "caffe"),
    "resnet50_thin": _resnet((3, 4, 6, 3), CaffeBottleneck, thin=True),
    "wide_resnet50_2": _resnet((3, 4, 6, 3), WideBottleneck),
    "wide_resnet28_10": _wide(4, 10),
    "wide_resnet34_10": _wide(5, 10),
    "wide_resnet34_20": _wide(5, 20),
    "wide_resnet40_2": _wide(6, 2),
    "wide_resnet70_16": _wide(11, 16),
    "wide_resnet82_8": _wide(13, 8),
    "wide_resnet94_16": _wide(15, 16),
    "preact_resnet18": _preact(2, 2, 2, 2),
    "preact_resnet34": _preact(3, 4, 6, 3),
    "efficientnet_lite0": Architecture(make_efficientnet_lite, own_activation="ReLU6"),
    "bert": Architecture(make_bert, _SMALL, own_activation="GELU", images=False, encodes=True),
    "deep_decoder": Architecture(make_deep_decoder, _SMALL, own_activation="ReLU", noise=True),
    **{
        name: Architecture(make, _SMALL, own_activation="LeakyReLU", noise=True)
        for name, make in HOURGLASSES.items()
    },
    **{name: supernet(table) for name, table in TABLES.items()},
}


def build(
    arch: str,
    num_classes: int,
    *,
    width: float = 1.0,
    stem: Stem | None = None,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    precision: Precision = "float32",
    variant: Variant | None = None,
    activation: Activation | None = None,
    make_head: Callable[[int], Any] = LinearHead,
    output_stride: int | None = None,
    widths: Widths = (),
    encoder: EncoderConfig | None = None,
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
        make_head: returns the head of a width: a module that maps `models.Features` to outputs.
        output_stride: see `Request`; a power of two.
        widths: numbers of features of single layers, see `rtickets.models.widths`.
        encoder: sizes of an encoder of text, see `ModelConfig`.

    Raises:
        InputError: if there is no such architecture, or not with this stem, variant, output
            stride or widths, or pixel statistics are none of images in [0, 1].
    """
    if arch not in ARCHITECTURES:
        raise InputError(f"arch={arch!r} is unknown; choose one of {', '.join(ARCHITECTURES)}")
    entry = ARCHITECTURES[arch]
    if entry.noise and not mean:
        mean, std = (0.0,), (1.0,)
    if entry.images and not mean:
        raise InputError(
            f"arch={arch!r} takes images, but pixel statistics have {len(mean)} and {len(std)} "
            "values, as those of a task about something else; choose another model.arch"
        )
    if entry.images:
        check_statistics(mean, std)
    why = why_not_variant(arch, variant, activation) or why_not_encoder(arch, width, encoder)
    if why:
        raise InputError(why)
    if stem is not None and stem not in entry.stems:
        raise InputError(f"stem={stem!r} does not exist for {arch}; use {entry.stems[0]!r}")
    if output_stride is not None:
        _check_output_stride(arch, output_stride)
    shared = {"mean": mean, "std": std, "dtype": jnp.dtype(precision), "make_head": make_head}
    asked = Request(num_classes, width, stem, variant, activation, shared, output_stride, encoder)
    found: Model = entry.make(asked)
    return _with_widths(found, arch, widths) if widths else found


def _with_widths(model: Model, arch: str, widths: Widths) -> Model:
    if not isinstance(model, BackboneAndHead):
        raise InputError(
            f"widths: {arch} is no BackboneAndHead of rtickets.models, whose layers can have "
            "numbers of features of their own; make it one, or leave widths out"
        )
    return model.clone(widths=widths)


def _check_output_stride(arch: str, output_stride: int) -> None:
    if not ARCHITECTURES[arch].dilates:
        others = ", ".join(name for name, entry in ARCHITECTURES.items() if entry.dilates)
        raise InputError(
            f"output_stride={output_stride}: {arch} cannot dilate in the place of strides; leave "
            f"it out, or take one of {others}"
        )
    if output_stride < 1 or output_stride & (output_stride - 1):
        raise InputError(f"output_stride={output_stride} is not 1, 2, 4, 8, ...")


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
    make_head: Callable[[int], Any] = LinearHead,
    output_stride: int | None = None,
) -> Model:
    """Build the network that a configuration describes; arguments as of `build`."""
    return build(
        config.arch, num_classes, width=config.width, stem=config.stem, mean=mean, std=std,
        precision=config.precision, variant=config.variant, activation=config.activation,
        make_head=make_head, output_stride=output_stride, widths=read_widths(config.widths),
        encoder=config.encoder,
    )  # fmt: skip


def epsilon_of(model: Model) -> float:
    """Return what the normalisation layers of a network add to variances."""
    return model.epsilon


def initialise(model: Model, key: Array, inputs: ImageShape | Inputs) -> tuple[Any, Any]:
    """Draw initial weights for images (H, W, C), or for other inputs.

    Returns:
        (params, batch_stats), float32 pytrees; the second is {} without normalisation statistics.
    """
    check_inputs(model, as_inputs(inputs))
    variables = _compiled_init(model)(key, placeholders(as_inputs(inputs), 1, jnp.zeros))
    return variables["params"], variables.get(STATE, {})


def check_inputs(model: Model, inputs: Inputs) -> None:
    """Raise InputError where a network that knows what it can be called with is not so called."""
    check = getattr(model, "check_inputs", None)
    if check is not None:
        check(inputs)


def logits(model: Model, params: Params, batch_stats: Any, x: Array) -> Array:
    """Return the float32 logits of images, normalisation statistics frozen, row by row."""
    return cast(Array, apply(model, params, batch_stats, x)[0])


def training_logits(model: Model, params: Params, batch_stats: Any, x: Array) -> tuple[Array, Any]:
    """Return the logits of images under batch statistics, and the updated running statistics."""
    return apply(model, params, batch_stats, x, True)


@lru_cache(maxsize=16)
def _compiled_init(model: Model) -> Any:
    return jax.jit(model.init)
