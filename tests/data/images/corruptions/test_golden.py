"""Pictures equal those of imagecorruptions 1.1.2, given the same draws."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from corruption_draws import replayed
from corruption_pictures import SHAPES, picture, places, seed_of

from rtickets.data.images.corruptions.corruption import Table
from rtickets.data.images.corruptions.registry import (
    CORRUPTIONS,
    constant_of,
    get_corruption,
    read_files,
)

_GOLDEN = Path(__file__).parents[3] / "golden"

# In steps of 1/255. The file itself is rounded to 1/512 of one.
CLOSE = 0.01
# Rounding to 8 bits happens within these, and where a value lies on the border float32 and float64
# may differ: the largest difference, and the share of values that differ by more than CLOSE.
ROUNDED = {"glass_blur": (1.01, 0.1), "jpeg_compression": (1.01, 0.003)}
# A count of photons is off by one where a uniform draw is within 1e-6 of where the count changes.
RARE = {"shot_noise": 0.001}


def _compare(name: str, table: Table, shape: tuple[int, int, int], severity: int) -> None:
    corruption, constant = get_corruption(name), constant_of(name, severity, table)
    files = read_files(name, severity, table, shape)
    seed = seed_of(name, severity, shape)
    drawn = jax.tree.map(
        lambda each: jnp.asarray(each, jnp.int32 if np.asarray(each).dtype.kind == "i" else float),
        replayed(name, seed, shape, constant, files[0] if files else None),
    )
    image = jnp.asarray(picture(shape), jnp.float32) / 255
    ours = jax.jit(lambda image, drawn, files: corruption.apply(image, constant, drawn, *files))(
        image, drawn, files
    )
    with np.load(_GOLDEN / "corruptions.npz") as golden:
        theirs = golden[f"{name} {table} {shape[0]}"][severity - 1] / 256
    distance = abs(np.asarray(ours, np.float64).ravel()[places(shape)] * 255 - theirs)
    most, share = ROUNDED.get(name, (CLOSE, 0.0))
    if name not in RARE:
        assert distance.max() <= most
    assert (distance > CLOSE).mean() <= max(share, RARE.get(name, 0.0))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [2, 5])
def test_pictures_in_colour_are_those_of_the_package(
    frost_files: Path, name: str, severity: int
) -> None:
    _compare(name, "imagenet", (32, 32, 3), severity)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grey_pictures_are_those_of_the_package(frost_files: Path, name: str) -> None:
    _compare(name, "imagenet", (28, 28, 1), 4)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_larger_pictures_are_those_of_the_package(frost_files: Path, name: str) -> None:
    _compare(name, "imagenet", (64, 64, 3), 3)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pictures_with_constants_of_cifar_are_those_of_the_same_functions(
    frost_files: Path, name: str
) -> None:
    _compare(name, "cifar", (32, 32, 3), 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_all_pictures_are_those_of_the_package(frost_files: Path, name: str, severity: int) -> None:
    for shape in SHAPES:
        _compare(name, "imagenet", shape, severity)
    _compare(name, "cifar", (32, 32, 3), severity)
