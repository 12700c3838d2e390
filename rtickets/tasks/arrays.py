"""What tasks on arrays of any kind have in common."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset
from rtickets.data.images.augment import Transform
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.models.inputs import Input, Inputs
from rtickets.models.network import LinearHead
from rtickets.settings.kinds import STRICT
from rtickets.tasks.base import Batch, Measured, Task


@dataclass(frozen=True, config=STRICT)
class ArrayTask(TaskConfig):
    """A task; it fills in `inputs`, `headline`, `width`, `loss`, `sums` and `measures`.

    Attributes:
        inputs: see `Task`.
        attackable: likewise.
        answers: what the outputs of a head are called.
        head: makes it, see `Task`; a linear map of pooled features.
        backbone_stride: see `Task`.
        has_classes: see `Task`.
        has_divergence: likewise.
        paints: likewise.
        comparison: likewise.
        memory: likewise.
        weights_answers: likewise.
        parts_have_classes: likewise.
    """

    inputs: ClassVar[tuple[str, ...]] = ()
    attackable: ClassVar[bool] = False
    answers: ClassVar[str] = "outputs"
    head: ClassVar[Any] = LinearHead
    backbone_stride: ClassVar[Any] = None
    has_classes: ClassVar[bool] = False
    has_divergence: ClassVar[bool] = False
    paints: ClassVar[bool] = False
    comparison: ClassVar[Any] = None
    memory: ClassVar[Any] = None
    weights_answers: ClassVar[bool] = False
    parts_have_classes: ClassVar[bool] = False

    @property
    def input(self) -> str:
        """The first of the inputs."""
        return self.inputs[0]

    def input_spec(self, transform: Transform, stored: Mapping[str, Input]) -> Inputs:
        """Return the inputs as they are stored."""
        del transform
        if missing := [name for name in self.inputs if name not in stored]:
            raise InputError(
                f"the task {self.name!r} is about {', '.join(self.inputs)}; its examples have "
                f"{', '.join(stored)}, so that {missing[0]!r} is missing"
            )
        return tuple(stored[name] for name in self.inputs)

    def seen(self, batch: Batch, changed: Any) -> Any:
        """Return the input alone, or all of several by name."""
        if len(self.inputs) == 1:
            return changed
        return {**{name: batch[name] for name in self.inputs}, self.input: changed}

    def conflicts(self, train: Any) -> Iterator[str]:
        """Yield nothing: any run trains it."""
        del train
        yield from ()

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return that there is nothing to know of a data set."""
        del dataset
        return {}

    def width(self, about: Mapping[str, Any]) -> int:
        """Refuse: nobody knows the number of outputs."""
        raise InputError(f"{type(self).__name__} does not say how many outputs it has: add `width`")

    def aligned(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset | None:
        """Return the data set if the head is for the same."""
        return dataset if dict(about) == self.about(dataset) else None

    def matched(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset:
        """Return the data set if the head is for the same, else refuse it."""
        if (found := self.aligned(about, dataset)) is None:
            raise InputError(
                f"the ticket's head is for {dict(about)}, the data are {self.about(dataset)}; "
                "transfer it to them first"
            )
        return found

    def evaluated(self, model: Any, transform: Transform) -> Any:
        """Return the network itself."""
        del transform
        return model

    def evaluated_on(self, transform: Transform, stored: Mapping[str, Input]) -> tuple[Inputs, int]:
        """Return the inputs, once."""
        return self.input_spec(transform, stored), 1

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return the arrays as they are stored."""
        del transform
        return raw

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return what `prepare` does; nothing is changed at random."""
        del keys
        return self.prepare(transform, raw)

    def listed(self, outputs: Any, batch: Batch) -> dict[str, Array]:
        """Return nothing: sums hold everything."""
        del outputs, batch
        return {}

    def fooled(self, outputs: Any, batch: Batch) -> Array:
        """Return that no answer is wrong beyond dispute."""
        del outputs
        return jnp.zeros(len(batch[self.input]), bool)

    def ascent(self, outputs: Any, batch: Batch, progress: Any) -> Array:
        """Refuse: an answer has no parts."""
        raise InputError(f"{type(self).__name__} has answers without parts to weight")

    def harm(self, outputs: Any, batch: Batch) -> Array:
        """Refuse: an answer has no parts."""
        raise InputError(f"{type(self).__name__} has answers without parts to weight")

    def painted(self, outputs: Any, batch: Batch) -> dict[str, Any]:
        """Refuse: answers are nothing to look at."""
        raise InputError(f"{type(self).__name__} paints no pictures of answers")

    def class_names(self, about: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that the data set gave, if any."""
        return tuple(map(str, about.get("class_names", ())))

    def class_measures(self, sums: Mapping[str, Any]) -> dict[int, Measured]:
        """Refuse: answers have no classes of their parts."""
        raise InputError(f"{type(self).__name__} measures no classes of parts of its answers")

    def painted_classes(self, outputs: Any, batch: Batch, most: int) -> dict[int, Any]:
        """Refuse: answers have no classes of their parts."""
        raise InputError(f"{type(self).__name__} paints no pictures of classes")

    def labels(self, batch: Batch) -> Array | None:
        """Return None: outputs are not logits over classes."""
        del batch
        return None

    def judged(self, right: Any, batch: Batch) -> Measured:
        """Refuse: answers are better or worse."""
        raise InputError(f"{type(self).__name__} knows no right and wrong answers")

    def example_weights(self, batch: Batch) -> np.ndarray | None:
        """Return that all examples count alike."""
        del batch
        return None

    def chance(self, batch: Batch) -> float | None:
        """Return None: what can be had without looking is not known."""
        del batch
        return None

    def baseline(self, sums: Mapping[str, Any]) -> float | None:
        """Return None: what can be had without looking is not known."""
        del sums
        return None

    def divergence(self, outputs: Any, reference: Any) -> Array:
        """Refuse: no distance between answers is known."""
        raise InputError(f"{type(self).__name__} knows no distance between answers")

    def smoothed(self, amount: float) -> Task:
        """Refuse: targets are not spread over anything."""
        raise InputError(
            f"label_smoothing={amount} is for classes; {type(self).__name__} has none: set it to 0"
        )
