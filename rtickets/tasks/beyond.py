"""What some tasks need beside single examples; most need nothing of it."""

from collections.abc import Iterator
from typing import Any, Protocol

from rtickets.tasks.comparison import Comparison
from rtickets.tasks.memory import Memory


class BeyondExamples(Protocol):
    """The part of a task that is not about an example and the answer to it."""

    @property
    def comparison(self) -> Comparison | None:
        """What of features the headline is made of, where answers alone do not say it."""
        ...

    @property
    def memory(self) -> Memory | None:
        """What training takes along from step to step besides weights, None for nothing."""
        ...

    @property
    def work(self) -> float:
        """What training on an example takes, in examples that the network sees once."""
        ...

    def conflicts(self, train: Any) -> Iterator[str]:
        """Yield what keeps a run of settings `TrainConfig` from training it, in words."""
        ...
