"""Networks that paint pictures, and the noise that they paint from."""

from typing import Annotated, Literal, NamedTuple

import jax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets import models
from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.models.deep_decoder import DeepDecoder
from rtickets.models.heads.picture import Picture
from rtickets.models.hourglass import PUBLISHED, Hourglass
from rtickets.settings.kinds import STRICT, Positive


@dataclass(frozen=True, config=STRICT)
class GeneratorConfig:
    """A network that paints a picture from noise; the defaults are those published.

    Attributes:
        arch: an 'hourglass' or a 'deep_decoder'.
        channels: features of every scale of an hourglass, from fine to coarse; a deep decoder has
            as many layers, each with the first of them.
        skip: features of the skip connections of an hourglass.
        depth: channels of the noise; a deep decoder has as many as features.
        amplitude: of the noise, which is uniform from 0 on.
    """

    arch: Literal["hourglass", "deep_decoder"] = "hourglass"
    channels: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=12)] = PUBLISHED
    skip: int = Field(default=0, ge=0)
    depth: Positive = 32
    amplitude: float = Field(default=0.1, gt=0)


DECODER = GeneratorConfig(arch="deep_decoder", channels=(128,) * 5)
SMALL_DECODER = GeneratorConfig(arch="deep_decoder", channels=(32,) * 3)
SMALL = GeneratorConfig(channels=(8, 12, 16, 24), depth=8)


class Painter(NamedTuple):
    """A network with its first weights, and what it paints from.

    Attributes:
        model: the network.
        params: its weights.
        noise: (1, h, w, depth).
    """

    model: models.Model
    params: Params
    noise: Array


def make_painter(
    config: GeneratorConfig,
    shape: tuple[int, int, int],
    seed: int,
    *,
    noise_seed: int | None = None,
) -> Painter:
    """Return a network that paints pictures of a shape (H, W, C).

    What a deep decoder paints is as large as the picture or larger; the problem's loss sees the
    upper left corner of it.

    Args:
        seed: of the weights and of what they paint from.
        noise_seed: of what they paint from alone, so that a mask can be tried with the same weights
            and fresh noise, or the other way around; None takes that of the weights.

    Raises:
        InputError: for a deep decoder too deep for the picture.
    """
    model, sides = network_of(config, shape)
    weights_key, _ = jax.random.split(jax.random.key(seed))
    _, noise_key = jax.random.split(jax.random.key(seed if noise_seed is None else noise_seed))
    params, _ = models.initialise(model, weights_key, sides)
    noise = config.amplitude * jax.random.uniform(noise_key, (1, *sides))
    return Painter(model, params, noise)


def first_weights(config: GeneratorConfig, channels: int, seed: int) -> Params:
    """Return the weights of `make_painter`, which are the same for pictures of all sides."""
    side = 2 ** (1 + len(config.channels)) if config.arch == "deep_decoder" else 16
    return make_painter(config, (side, side, channels), seed).params


def network_of(
    config: GeneratorConfig, shape: tuple[int, int, int]
) -> tuple[models.Model, tuple[int, int, int]]:
    """Return the network that paints a shape (H, W, C), and the shape (h, w, depth) of its noise.

    Raises:
        InputError: see `make_painter`.
    """
    height, width, channels = shape
    if config.arch == "hourglass":
        hourglass = Hourglass(channels, config.channels, config.skip, make_head=Picture())
        return hourglass, (height, width, config.depth)
    layers, features = len(config.channels), config.channels[0]
    sides = (-(-height // 2**layers), -(-width // 2**layers))
    if sides == (1, 1):
        raise InputError(
            f"a deep decoder of {layers} layers paints a picture of {height}x{width} from one "
            "place, which is of one colour; give it fewer channels, one for each layer"
        )
    decoder = DeepDecoder(channels, features, layers, make_head=Picture(use_bias=False))
    return decoder, (*sides, features)
