"""What a task says of answers that are many in one, as the class of every pixel."""

from collections.abc import Mapping
from typing import Any, Protocol

from jax import Array

from rtickets.data.images.augment import Transform

Batch = Mapping[str, Any]


class ManyAnswers(Protocol):
    """The part of `rtickets.tasks.base.Task` that tasks of one answer leave as it is."""

    @property
    def weights_answers(self) -> bool:
        """Whether `ascent` and `harm` are known."""
        ...

    @property
    def paints_classes(self) -> bool:
        """Whether `painted_classes` are known."""
        ...

    def evaluated(self, model: Any, transform: Transform) -> Any:
        """Return what is called in the place of a network wherever it is evaluated or attacked."""
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
