"""Rows of this machine's table, what they are measured on, and how long a call takes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import models
from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.models.settings import ModelConfig
from rtickets.platform import parallel

CLASSES = 10
ROUNDS = 3


class Setting(NamedTuple):
    """What is measured.

    Attributes:
        model: the network, of square colour images.
        image_size: pixels.
        batch_size: of steps.
        attack: of adversarial steps.
        devices: where to compute.
        seconds: per kind of step.
        paths: JPEG files that the input is read from.
        workers: threads that read them.
    """

    model: ModelConfig
    image_size: int
    batch_size: int
    attack: PgdSettings
    devices: parallel.Devices
    seconds: float
    paths: list[Path]
    workers: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image."""
        return (self.image_size, self.image_size, 3)


class Row(NamedTuple):
    """A measured number.

    Attributes:
        name: what it is of.
        value: the number.
        unit: of it.
        more: whether more of it is better.
    """

    name: str
    value: float
    unit: str
    more: bool = True


def as_lines(rows: Sequence[Row], stored: Mapping[str, float]) -> Iterator[str]:
    """Yield rows as text, beside the stored values of the same names."""
    for row in rows:
        beside = ""
        if row.name in stored:
            now, then = row.value, stored[row.name]
            beside = f"   {then:10.4g} then"
            if row.unit != "%" and min(now, then) > 0:
                beside += f", {now / then if row.more else then / now:.2f}x as fast now"
        yield f"  {row.name:<46}{row.value:10.4g} {row.unit:<17}{beside}".rstrip()


def network_of(setting: Setting) -> tuple[models.Model, Any, Any]:
    """Return the network, its parameters and its statistics."""
    network = models.from_config(setting.model, CLASSES, mean=(0.5,) * 3, std=(0.2,) * 3)
    return (network, *models.initialise(network, jax.random.key(0), setting.shape))


def images_of(setting: Setting, count: int) -> np.ndarray:
    """Return noise in [0, 1], float32 (count, H, W, C)."""
    return np.random.default_rng(0).random((count, *setting.shape), np.float32)


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the median seconds of a call, after one that compiles."""
    call()
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return median(found)
