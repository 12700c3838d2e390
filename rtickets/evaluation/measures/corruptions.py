"""What is left of the headline on corrupted images (Hendrycks & Dietterich 2019)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.corruptions import CORRUPTIONS, Table, corrupt, read_files
from rtickets.data.images.corruptions.registry import check_shape
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples, on_devices
from rtickets.evaluation.subject import Subject, make_subject
from rtickets.settings.kinds import STRICT, OneOf, Positive
from rtickets.tasks import Measured

_PART = 128  # images that are corrupted at once


@dataclass(frozen=True, config=STRICT)
class CorruptionSettings(MeasureConfig):
    """The headline on corrupted images: the `mean` over all of them, and every corruption's own.

    An example counts with the share of its corrupted images that are answered right, so that the
    interval is one over examples. Of accuracy, 1 - `mean` is the mean corruption error that is not
    divided by another network's.

    Attributes:
        corruptions: which, of the fifteen.
        severities: of 1 to 5; every corruption is measured at each.
        table: the constants of the severities, for pictures as those of 'imagenet' or 'cifar'.
        examples: corrupt at most so many, spread evenly over the split; None takes all.
    """

    name: Literal["corruptions"] = "corruptions"
    corruptions: Annotated[tuple[Annotated[str, OneOf(CORRUPTIONS)], ...], Field(min_length=1)] = (
        tuple(CORRUPTIONS)
    )
    severities: Annotated[tuple[Literal[1, 2, 3, 4, 5], ...], Field(min_length=1)] = (
        1, 2, 3, 4, 5,
    )  # fmt: skip
    table: Table = "imagenet"
    examples: Positive | None = 1000
    needs_classes = True

    def forward_passes(self, examples: int, validation: int) -> float:
        """One over the examples for every corruption and severity."""
        count = min(examples, self.examples or examples)
        return float(count * len(self.corruptions) * len(self.severities))

    def check(self, examples: Examples) -> None:
        """Look at the shape of images, and for all files, before anything is computed."""
        shape = examples.transform.output_shape(examples.split.images.shape[1:])
        check_shape(shape)
        for name in self.corruptions:
            for severity in self.severities:
                read_files(name, severity, self.table, shape)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the mean, and the corruptions by name."""
        examples = asked.examples
        subject = make_subject(
            asked.network, examples.split, examples.transform, count=self.examples,
            seed=asked.seed, batch_size=asked.batch_size, devices=examples.devices,
            task=asked.task,
        )  # fmt: skip
        right = {name: np.stack([*self._right(asked, subject, name)]) for name in self.corruptions}
        judged = {
            name: asked.task.judged(each.mean(0), subject.batch)._replace(detail=True)
            for name, each in right.items()
        }
        every = np.concatenate(list(right.values())).mean(0)
        return {"mean": asked.task.judged(every, subject.batch), **judged}

    def _right(self, asked: Asked, subject: Subject, name: str) -> Iterator[np.ndarray]:
        """Yield which answers are right, bool (N,), for every severity."""
        for severity in self.severities:
            pictures = self._corrupted(subject, name, severity)
            split = Split({**subject.batch, asked.task.input: pictures})
            outputs, batch = asked.ask(
                on_devices(split, Transform(), asked.examples.devices, asked.task)
            )
            yield ~np.asarray(asked.task.fooled(outputs, batch))

    def _corrupted(self, subject: Subject, name: str, severity: int) -> np.ndarray:
        """Return the images in whole steps of 1/255, uint8; an example's key is its own."""
        height, width, channels = subject.x.shape[1:]
        files: Any = read_files(name, severity, self.table, (height, width, channels))
        x, parts = jnp.asarray(subject.x), []
        for start in range(0, len(x), _PART):
            part = slice(start, start + _PART)
            changed = corrupt(x[part], subject.keys[part], name, severity, self.table, files)
            parts.append(np.asarray(changed))
        return np.round(255 * np.concatenate(parts)).astype(np.uint8)
