"""What a task says of answers that are many in one, as the class of every pixel."""

from collections.abc import Mapping
from typing import Any, Protocol

from jax import Array

from rtickets.data.images.augment import Transform
from rtickets.models.inputs import Input, Inputs
from rtickets.tasks.measured import Measured

Batch = Mapping[str, Any]


class ManyAnswers(Protocol):
    """The part of `rtickets.tasks.base.Task` that tasks of one answer leave as it is."""

    @property
    def weights_answers(self) -> bool:
        """Whether `ascent` and `harm` are known."""
        ...

    @property
    def parts_have_classes(self) -> bool:
        """Whether `class_names`, `class_measures` and `painted_classes` are known."""
        ...

    def evaluated(self, model: Any, transform: Transform) -> Any:
        """Return what is called in the place of a network wherever it is evaluated or attacked."""
        ...

    def evaluated_on(self, transform: Transform, stored: Mapping[str, Input]) -> tuple[Inputs, int]:
        """Return what `evaluated` calls the network with, see `Task.input_spec`, and how often.

        It is so often for every example.
        """
        ...

    def ascent(self, outputs: Any, batch: Batch, progress: Any) -> Array:
        """Return what an attack on answers of many parts raises, float32 (b,).

        Args:
            outputs: what the network answers.
            batch: what it was asked.
            progress: how far the attack is, from 0 to below 1, (b,).

        Raises:
            InputError: where an answer has no parts that are right and wrong.
        """
        ...

    def harm(self, outputs: Any, batch: Batch) -> Array:
        """Return by what the worst of the inputs that such an attack visits is chosen, (b,)."""
        ...

    def baseline(self, sums: Mapping[str, Any]) -> float | None:
        """Return what `Task.chance` does, of a task without classes, from the sums of all."""
        ...

    def class_names(self, about: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of classes by their numbers, () where there are none.

        Args:
            about: see `Task.about`.
        """
        ...

    def class_measures(self, sums: Mapping[str, Any]) -> dict[int, Measured]:
        """Return the headline of every class that is there, of tasks whose parts have classes.

        Args:
            sums: as `Task.measures` takes them, with what is listed.

        Raises:
            InputError: where answers have no classes of their parts.
            NothingCountedError: where nothing in the examples counts.
        """
        ...

    def painted_classes(self, outputs: Any, batch: Batch, most: int) -> dict[int, Any]:
        """Return pictures of answers class by class, as `Task.painted`, of classes that are there.

        Args:
            outputs: what the network answers.
            batch: what it was asked.
            most: examples of a class, those that have most of it.

        Raises:
            InputError: where answers have no classes to look at.
        """
        ...
