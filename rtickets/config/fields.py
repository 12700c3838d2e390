"""Kinds of fields that configurations share."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

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
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ep|it)$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sparsity = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

STRICT = ConfigDict(extra="forbid")


def variants_of(arch: str) -> tuple[str, ...]:
    """Return the published variants of an architecture besides the usual one.

    'caffe': bottlenecks stride in their first convolution. 'deepmind' (Gowal et al. 2020): SiLU,
    and padding at the end alone where a block strides; without bottlenecks also a 3x3 convolution
    as shortcut. 'kuangliu' and 'wong' (Wong et al. 2020): no normalisation after the last block,
    and with 'wong' a shortcut from the block's input before it is normalised and activated.
    """
    if arch in ("resnet50", "resnet101", "resnet152"):
        return ("caffe",)
    if arch.startswith("preact"):
        return ("deepmind", "kuangliu", "wong")
    pre_activation = arch.startswith("wide_resnet") and arch != "wide_resnet50_2"
    return ("deepmind",) if pre_activation else ()


def to_steps(duration: str, steps_per_epoch: int) -> int:
    """Return the number of training steps of a duration such as '160ep' or '500it'."""
    count, unit = int(duration[:-2]), duration[-2:]
    return count * steps_per_epoch if unit == "ep" else count
