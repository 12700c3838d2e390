"""What loading asks of a task, and the settings that tasks are.

What a task is stands in `rtickets.tasks.base`; data lie below it in the house, so that the family
of settings, and what a data set has to know of the task that its examples are for, are here.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.settings.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtickets.data.arrays import Raw


@dataclass(frozen=True, config=STRICT)
class TaskConfig(Variant):
    """What a network is asked to do with the examples of a data set; see `rtickets.tasks`.

    Attributes:
        name: which task of `rtickets.tasks.TASKS`.
    """

    family: ClassVar[str] = "task"
    entries: ClassVar[dict[str, Any]] = {}
    beside_head: ClassVar[frozenset[str]] = frozenset()  # see `rtickets.tasks.base.Task`
    inputs: ClassVar[tuple[str, ...]] = ("image",)  # likewise
    makes_views: ClassVar[bool] = False  # it changes training images at random by itself
    work: ClassVar[float] = 1.0  # of training on an example, in times that the network sees one

    def split(self, arrays: "Mapping[str, Any]") -> np.ndarray | None:
        """Return integers (N,) from 0 on: every part of a split gets its share of each.

        None is to split at random.
        """
        del arrays
        return None

    def bound(self, config: Any) -> "TaskConfig":
        """Return the task with what data, a `DataConfig`, say about it, such as a vocabulary."""
        del config
        return self

    def check(self, raw: "Raw", name: str) -> tuple[str, ...]:
        """Return what is odd about the examples of a source, in lines.

        Raises:
            InputError: with the name that errors call the source, if the task cannot be asked about
                them.
        """
        del raw, name
        return ()
