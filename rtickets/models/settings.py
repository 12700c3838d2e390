"""Settings of networks."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass

from rtickets.models.architectures import ARCHITECTURES
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.widths import read_widths
from rtickets.settings.kinds import STRICT, OneOf

# those whose published weights are read, see `rtickets.importers`
Arch = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50_thin",
    "wide_resnet50_2",
    "wide_resnet28_10",
    "wide_resnet34_10",
    "wide_resnet34_20",
    "wide_resnet40_2",
    "wide_resnet70_16",
    "wide_resnet82_8",
    "wide_resnet94_16",
    "preact_resnet18",
    "preact_resnet34",
    "efficientnet_lite0",
]


Variant = Literal["caffe", "deepmind", "kuangliu", "wong"]


Activation = Literal["relu", "silu"]


def variants_of(arch: str) -> tuple[str, ...]:
    """Return the published variants of an architecture besides the usual one.

    'caffe': bottlenecks stride in their first convolution. 'deepmind' (Gowal et al. 2020): SiLU,
    and padding at the end alone where a block strides; without bottlenecks also a 3x3 convolution
    as shortcut. 'kuangliu' and 'wong' (Wong et al. 2020): no normalisation after the last block,
    and with 'wong' a shortcut from the block's input before it is normalised and activated.
    """
    return ARCHITECTURES[arch].variants


def why_not_variant(arch: str, variant: str | None, activation: str | None) -> str | None:
    """Say why an architecture has no such variant or activation, or None where it has."""
    entry = ARCHITECTURES[arch]
    if variant is not None and variant not in entry.variants:
        names = ", ".join(entry.variants) or "none"
        return f"variant={variant!r} does not exist for {arch}, which has {names}"
    if activation is not None and entry.own_activation is not None:
        return f"activation={activation!r}: {arch} has {entry.own_activation}; leave it"
    return None


def why_not_encoder(arch: str, width: float, encoder: EncoderConfig | None) -> str | None:
    """Say why an architecture has no such sizes, or None where it has."""
    encodes = ARCHITECTURES[arch].encodes
    if encoder is not None and not encodes:
        return f"encoder={encoder}: {arch} is no encoder of text; leave it out"
    if encodes and width != 1:
        return f"width={width}: {arch} has the sizes of model.encoder; leave it at 1 and set those"
    return None


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """A network.

    Attributes:
        arch: name of the architecture.
        width: multiplier on the features of every layer.
        stem: 'small' for images of about 32 pixels, 'imagenet' for 224, which networks with
            pre-activation (`preact_resnet...`, `wide_resnet28_10` and its like) do not have.
        precision: compute precision; weights and statistics are always float32.
        variant: a published variant that computes something else with the same layers, see
            `rtickets.models.settings.variants_of`; None is the usual network.
        activation: None is the published one: 'silu' for the variant 'deepmind', ReLU6 for
            efficientnet_lite0, LeakyReLU for hourglasses and ReLU for the deep decoder, which have
            no other, and 'relu' for the rest.
        widths: numbers of features of single layers, 'LAYER=N' each, such as 'stem_conv=7', of a
            network that `rtickets compact` has made smaller.
        encoder: sizes of an encoder of text, as 'bert'; None is the published one.
    """

    arch: Annotated[str, OneOf(ARCHITECTURES)] = "resnet18"
    width: Annotated[float, Field(gt=0, le=1000)] = 1.0
    stem: Literal["small", "imagenet"] = "small"
    precision: Literal["float32", "bfloat16"] = "float32"
    variant: Variant | None = None
    activation: Activation | None = None
    widths: tuple[str, ...] = ()
    encoder: EncoderConfig | None = None

    @model_serializer(mode="wrap")
    def _without_an_encoder(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `encoder` where there is none, as in tickets of before there were any."""
        values: dict[str, Any] = dump(self)
        if values.get("encoder", self) is None:
            del values["encoder"]
        return values

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        own = why_not_variant(self.arch, self.variant, self.activation)
        if why := own or why_not_encoder(self.arch, self.width, self.encoder):
            raise ValueError(why)
        read_widths(self.widths)
        return self
