"""What an architecture is: a function of what a configuration asks for, which returns a network.

A network is a linen module as `rtickets.models.calling` describes it; those of the package are
`BackboneAndHead`s of `rtickets.models.network`, with features at every level. Its checks are
attributes, so that configurations, `build` and the importer know no architecture by name.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from rtickets.models.encoder_settings import EncoderConfig

Stem = Literal["small", "imagenet"]


class Request(NamedTuple):
    """What is asked of an architecture.

    Attributes:
        num_classes: width of the head.
        width: multiplier on the number of features of every layer.
        stem: None is the published one.
        variant: one of the architecture's, or None.
        activation: None is the published one.
        shared: keyword arguments that every network of the package takes: `mean` and `std` of the
            pixels, `dtype` of the backbone and `make_head`.
        encoder: sizes of an encoder of text, None for the published ones.
        output_stride: how many pixels lie between two places of the last level; None is the usual
            number. What asks for less gets dilation in the place of strides, with the same weights.
    """

    num_classes: int
    width: float
    stem: Stem | None
    variant: str | None
    activation: str | None
    shared: Mapping[str, Any]
    output_stride: int | None = None
    encoder: EncoderConfig | None = None

    def scaled(self, features: float) -> int:
        """Return a number of features, at least one, times the width."""
        return max(1, round(features * self.width))


class Architecture(NamedTuple):
    """An entry of the registry.

    Attributes:
        make: returns the network.
        stems: that it has.
        variants: published variants besides the usual network, see `ModelConfig`.
        own_activation: the name of the one that it always has, None where there is a choice.
        dilates: it has an `output_stride`.
        images: whether it takes images, which have pixel statistics; others get none.
        encodes: whether it has the sizes of an `EncoderConfig`, and no width.
        noise: whether it takes places that are no pixels too, such as noise, as they are.
    """

    make: Callable[[Request], Any]
    stems: tuple[str, ...] = ("small", "imagenet")
    variants: tuple[str, ...] = ()
    own_activation: str | None = None
    dilates: bool = False
    images: bool = True
    noise: bool = False
    encodes: bool = False


ARCHITECTURES: dict[str, Architecture] = {}
"""The architectures by name; `rtickets.models.registry` fills in those of the package."""
