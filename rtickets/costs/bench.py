"""How fast this machine reads images and trains on adversarial ones."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from rtickets import masks, models, training
from rtickets.attacks.settings import AttackConfig
from rtickets.data.arrays import labelled
from rtickets.data.images.augment import Transform
from rtickets.data.images.stream import TrainingOrder, training_batches
from rtickets.data.images.streamed import Encoded, ImageFiles, StreamedImages, streamed
from rtickets.data.images.views import View, decode
from rtickets.errors import InputError
from rtickets.models.settings import ModelConfig
from rtickets.platform import parallel
from rtickets.training.objectives import Adversarial, ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig

_SIZE = 224
_BATCH = 32
_IMAGES = 384  # at least, in a round: files are read again if there are fewer
_FILES = 1024  # at most, spread evenly over those that there are


class InputRates(NamedTuple):
    """Images per second, each the median of some rounds that took turns.

    Attributes:
        decode: plain decoding by as many threads, of which nothing is kept.
        whole: our batches of whole images, on the device; None where files differ in size.
        decode_and_cut: plain decoding with a random resized crop of 224 pixels, as training on
            photographs takes it.
        streamed: our batches of such crops, on the device.
    """

    decode: float
    whole: float | None
    decode_and_cut: float
    streamed: float


def write_photographs(folder: Path, count: int = 64, seed: int = 0) -> list[Path]:
    """Write JPEG files of the size and weight of ImageNet's, 500x375 pixels and about 100 kB."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:375, :500]
    paths = []
    for number in range(count):
        waves = [np.sin(x / generator.uniform(4, 40) + y / generator.uniform(4, 40)) for _ in "rgb"]
        pixels = 128 + 60 * np.stack(waves, -1) + generator.normal(0, 14, (375, 500, 3))
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    return paths


def find_photographs(folder: Path) -> list[Path]:
    """Return the JPEG files in a folder and below; raise InputError for fewer than a batch."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if len(paths) < _BATCH:
        raise InputError(f"{folder}: has {len(paths)} JPEG files; expected at least {_BATCH}")
    return paths


def measure_input(
    paths: list[Path], workers: int, devices: parallel.Devices, rounds: int = 5
) -> InputRates:
    """Measure our input pipeline against plain decoding of the same files, by turns.

    Args:
        paths: JPEG files, at least 32.
        workers: threads.
        devices: batches go to the first of them.
    """
    paths = paths[:: -(-len(paths) // _FILES)]
    paths = paths[: len(paths) // _BATCH * _BATCH]
    alike = len({_size(path) for path in paths}) == 1
    paths = paths * -(-_IMAGES // len(paths))
    view = View((_SIZE, _SIZE), 256, random_crop=(0.08, 1.0))
    images = streamed(ImageFiles(tuple(paths)), view, workers)
    kinds: dict[str, Callable[[], None]] = {
        "decode": partial(_each, len(paths), workers, partial(_decode, images.files)),
        "whole": partial(_stream, streamed(images.files, View(None), workers), devices),
        "decode_and_cut": partial(_each, len(paths), workers, partial(_cut, images)),
        "streamed": partial(_stream, images, devices),
    }
    if not alike:
        del kinds["whole"]
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds + 1):  # the first one warms up, and does not count
        for name, run in kinds.items():
            start = time.monotonic()
            run()
            seconds[name].append(time.monotonic() - start)
    rates = {name: len(paths) / float(np.median(times[1:])) for name, times in seconds.items()}
    cut, ours = rates["decode_and_cut"], rates["streamed"]
    return InputRates(rates["decode"], rates.get("whole"), cut, ours)


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _each(count: int, workers: int, read: Callable[[int], Any]) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(read, range(count)):
            pass


def _decode(files: Encoded, position: int) -> np.ndarray:
    return np.asarray(decode(files.read(position), files.name(position)))


def _cut(images: StreamedImages, position: int) -> np.ndarray:
    return images.training(position, (position,))  # as batches do it, with other random boxes


def _stream(images: StreamedImages, devices: parallel.Devices) -> None:
    split = labelled(images, np.zeros(len(images), np.int32))
    order = TrainingOrder(len(images), _BATCH, 0, 0, len(images) // _BATCH)
    put = partial(jax.device_put, device=devices[0])
    for images_there in training_batches(split, order, lambda batch: put(batch["image"])):
        jax.block_until_ready(images_there)


class StepRates(NamedTuple):
    """Images per second of whole training steps on images in memory, natural and with an attack."""

    natural: float
    pgd: float


def measure_steps(
    model: ModelConfig,
    image_size: int,
    batch_size: int,
    attack: AttackConfig,
    devices: parallel.Devices,
    seconds: float = 10.0,
) -> StepRates:
    """Measure training steps, natural and adversarial, compilation left out.

    The network has 10 classes and square colour images, the batch is over all devices, and each
    kind of step is measured for `seconds`, but at least twice.

    Raises:
        InputError: if the devices do not divide the batch.
    """
    parallel.check_batch_size(batch_size, devices)
    rates = [
        rate_of_steps(model, image_size, batch_size, objective, devices, seconds)
        for objective in (ObjectiveConfig(), Adversarial(attack=attack))
    ]
    return StepRates(*rates)


def rate_of_steps(
    model: ModelConfig,
    image_size: int,
    batch_size: int,
    objective: ObjectiveConfig,
    devices: parallel.Devices,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Return the images per second of one kind of step, by a clock; see `measure_steps`."""
    shape = (image_size, image_size, 3)
    network = models.from_config(model, 10)
    program = training.Program(
        model=network, objective=objective, optimizer=OptimizerConfig(learning_rate=0.0),
        transform=Transform(crop_padding=4, flip=True), batch_size=batch_size, total_steps=10**6,
        steps_per_epoch=1000, trainable="all", statistics="batch", devices=devices,
        input_shape=shape,
    )  # fmt: skip
    params, batch_stats = models.initialise(network, jax.random.key(0), shape)
    mask = masks.full(params)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2 * batch_size, *shape), dtype=np.uint8)
    labels = generator.integers(0, 10, 2 * batch_size).astype(np.int32)
    run = training.RunData(jax.random.key(0), jnp.float32(0.01))
    state = training.init_state(program, params, batch_stats, mask)
    state, *fixed = parallel.replicate(
        (state, mask, run, {"image": images, "label": labels}), devices
    )
    indices = parallel.shard(np.arange(batch_size, dtype=np.int32)[None], devices, axis=1)
    steps = training.compiled(program)
    state, totals = steps(state, *fixed, indices)  # compiles
    jax.block_until_ready(totals)
    start, count = clock(), 0
    while count < 2 or clock() - start < seconds:
        state, totals = steps(state, *fixed, indices)
        # After every step: dispatches that only wait in a queue are no throughput.
        jax.block_until_ready(totals)
        count += 1
    return count * batch_size / (clock() - start)
