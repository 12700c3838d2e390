"""What is left of the headline on corrupted images (Hendrycks & Dietterich 2019)."""

from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.corruptions import CORRUPTIONS, SEVERITIES, Table, corrupt, read_files
from rtickets.data.images.corruptions.frost import check_textures
from rtickets.data.images.corruptions.registry import check_shape
from rtickets.errors import InputError
from rtickets.evaluation.counting import together
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.measures.elsewhere import NOTHING
from rtickets.evaluation.predict import Examples, on_devices
from rtickets.evaluation.subject import make_subject, spread
from rtickets.platform import parallel
from rtickets.settings.kinds import STRICT, Label, OneOf, Positive
from rtickets.tasks import Measured, Task
from rtickets.tasks.base import Sums
from rtickets.tasks.units import SHARE

_PART_BYTES = 256 * 2**20  # of corrupted images that are kept at once, uint8
Name = Annotated[str, OneOf(CORRUPTIONS)]
Severity = Annotated[int, Field(ge=SEVERITIES[0], le=SEVERITIES[-1])]
Error = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class CorruptionSettings(MeasureConfig):
    """The headline on corrupted images: the `mean` over all of them, and every corruption's own.

    Where the headline is a share that is better when higher, there is also the `mce` with a
    baseline, or the `mean_error` without. Images are corrupted as the network sees them, in the
    size that they have there. All severities and corruptions are of the same examples, so the
    interval of a mean is the mean of their intervals, wide enough however they depend on another.

    Attributes:
        corruptions: which, of the fifteen.
        severities: of 1 to 5; every corruption is measured at each.
        table: the constants of the severities, for pictures as those of 'imagenet' or 'cifar'.
        examples: corrupt at most so many, spread evenly over the split; None takes all.
        baseline: of each of the corruptions, the mean error of another network over the same
            severities, a share; or nothing. `mce` is the mean of the errors divided by these; that
            of the paper takes AlexNet's.
    """

    name: Literal["corruptions"] = "corruptions"
    corruptions: tuple[Name, ...] = tuple(CORRUPTIONS)
    severities: tuple[Severity, ...] = SEVERITIES
    table: Table = "imagenet"
    examples: Positive | None = 1000
    baseline: Mapping[Label, Error] = field(default_factory=dict)
    needs_images = True

    @model_validator(mode="after")
    def _check(self) -> "CorruptionSettings":
        for name in ("corruptions", "severities"):
            chosen = getattr(self, name)
            if not chosen or len(set(chosen)) < len(chosen):
                raise ValueError(f"{name}={chosen!r} has to hold at least one, and none twice")
        if self.baseline and set(self.baseline) != set(self.corruptions):
            odd = sorted(set(self.baseline) ^ set(self.corruptions))
            raise ValueError(
                f"baseline needs an error for each of the corruptions and no others; {odd[0]!r} is "
                f"{'unasked for' if odd[0] in self.baseline else 'missing'}"
            )
        return self

    @property
    def how(self) -> str:  # type: ignore[override]
        """How images are corrupted."""
        levels = ", ".join(map(str, self.severities))
        what = f"{len(self.corruptions)} corruption{'s' * (len(self.corruptions) != 1)}"
        return f"{what} of severities {levels} as those of {self.table}"

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples or available, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """One over the examples for every corruption and severity."""
        count = min(examples, self.examples or examples)
        return float(count * len(self.corruptions) * len(self.severities))

    def check(self, examples: Examples) -> None:
        """Refuse what cannot be corrupted, frost without its textures, a baseline of no errors."""
        check_shape(_shape(examples))
        if "frost" in self.corruptions:
            check_textures()
        if self.baseline and not _has_errors(examples.task):
            raise InputError(
                f"baseline={dict(self.baseline)!r} holds errors, which are of shares; the headline "
                f"{examples.task.headline.called} is none, so leave it out"
            )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the mean, what is made of errors, and the corruptions by name."""
        total: dict[tuple[str, int], Sums] = {}
        chosen = spread(len(asked.examples.split), self.examples)
        for part in self._parts(asked, chosen):
            for which, found in self._sums(asked, part).items():
                old = total.get(which)
                total[which] = together(old, found) if old else found
        task = asked.task
        headline = task.headline.name
        each = {
            name: _mean([task.measures(total[name, level])[headline] for level in self.severities])
            for name in self.corruptions
        }
        return {
            **self._means(task, each),
            **{name: value._replace(detail=True) for name, value in each.items()},
        }

    def _parts(self, asked: Asked, chosen: np.ndarray) -> list[np.ndarray]:
        """Return places of examples in parts of at most so many bytes of pictures."""
        size = max(1, _PART_BYTES // int(np.prod(_shape(asked.examples))))
        return np.array_split(chosen, -(-len(chosen) // size))

    def _sums(self, asked: Asked, part: np.ndarray) -> dict[tuple[str, int], Sums]:
        """Return the task's sums of a part of the examples, for each corruption and severity."""
        task, examples = asked.task, asked.examples
        prepared = make_subject(
            asked.network, examples.split.take(part), examples.transform, count=None,
            seed=asked.seed, batch_size=asked.batch_size, devices=examples.devices, task=task,
        ).batch  # fmt: skip
        rest, found = dict(prepared), {}
        images = rest.pop(task.input)
        for name in self.corruptions:
            for severity in self.severities:
                pixels = corrupted(
                    images, part, name, severity, self.table, examples.devices,
                    batch_size=asked.batch_size, seed=asked.seed,
                )  # fmt: skip
                # The task has prepared them already, so it is not asked to do so again.
                split = Split({**rest, NOTHING.input: pixels})
                pictures = on_devices(split, Transform(), examples.devices, NOTHING)
                (found[name, severity],) = asked.sums_of(pictures, task)
        return found

    def _means(self, task: Task, each: Mapping[str, Measured]) -> dict[str, Measured]:
        """Return the mean over corruptions, and of their errors."""
        mean = _mean(list(each.values()))
        found = {"mean": mean}
        if not _has_errors(task):
            return found
        if not self.baseline:
            return {**found, "mean_error": _error(mean, 1.0)._replace(unit=SHARE)}
        ratios = [_error(value, self.baseline[name]) for name, value in each.items()]
        return {**found, "mce": _mean(ratios)}


def corrupted(
    images: np.ndarray,
    places: np.ndarray,
    name: str,
    severity: int,
    table: Table,
    devices: parallel.Devices,
    batch_size: int = 256,
    seed: int = 0,
) -> np.ndarray:
    """Corrupt any number of images on all devices, to uint8 (N, H, W, C).

    What is random belongs to an image's place in the split, as that of attacks does. It does not
    depend on the batch size or on the other images.

    Args:
        images: float32 (N, H, W, C) in [0, 1], on the host.
        places: integers (N,), of the images in their split.
        batch_size: images per call, over all devices; rounded up to a multiple of them.
    """
    size = -(-batch_size // len(devices)) * len(devices)
    height, width, channels = images.shape[1:]
    files = read_files(name, severity, table, (height, width, channels))
    key = jax.random.key(seed)
    shared = parallel.replicate(files, devices)
    run = _compiled(name, severity, table, devices)
    parts = []
    for start in range(0, len(images), size):
        rows = np.minimum(np.arange(start, start + size), len(images) - 1)
        split = (parallel.shard(each[rows], devices) for each in (images, places))
        parts.append(np.concatenate(np.asarray(run(*split, key, shared))))
    return np.concatenate(parts)[: len(images)]


@lru_cache(maxsize=128)
def _compiled(name: str, severity: int, table: Table, devices: parallel.Devices) -> Any:
    def pixels(images: Array, places: Array, key: Array, files: tuple[Any, ...]) -> Array:
        keys = jax.vmap(lambda place: jax.random.fold_in(key, place))(places)
        pictures = corrupt(images, keys, name, severity, table, files)
        return parallel.gather(jnp.round(pictures * 255).astype(jnp.uint8))

    return parallel.parallel(pixels, in_axes=(0, 0, None, None), devices=devices)


def _shape(examples: Examples) -> tuple[int, int, int]:
    return examples.transform.output_shape(examples.split.images.shape[1:])


def _has_errors(task: Task) -> bool:
    return task.headline.unit == SHARE and task.headline.higher_is_better


def _error(value: Measured, baseline: float) -> Measured:
    """Return the error that belongs to a share, over a baseline's."""
    ends = [(1 - each) / baseline for each in (value.value, value.high, value.low)]
    return Measured(ends[0], ends[1], ends[2], "", False)


def _mean(values: list[Measured]) -> Measured:
    """Return the mean of values of the same examples, see `CorruptionSettings`."""
    ends = np.mean([value[:3] for value in values], 0).tolist()
    return values[0]._replace(value=ends[0], low=ends[1], high=ends[2])
