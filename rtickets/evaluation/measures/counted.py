"""Measures that are made of sums, as they count beside the task in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rtickets.evaluation.counting import Counter
from rtickets.evaluation.measures.base import MeasureConfig
from rtickets.tasks import Task
from rtickets.tasks.base import Batch, Sums


@dataclass(frozen=True)
class Counted:
    """A measure that is made of sums, as it counts on the devices."""

    measure: MeasureConfig
    task: Task

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return what the measure counts."""
        return self.measure.sums(outputs, batch, self.task)

    def listed(self, outputs: Any, batch: Batch) -> dict[str, Any]:
        """Return what the measure lists."""
        return self.measure.listed(outputs, batch, self.task)


def counters_of(measures: Mapping[str, MeasureConfig], task: Task) -> dict[str, Counter]:
    """Return what counts for those measures that are made of sums, by label."""
    return {label: Counted(each, task) for label, each in measures.items() if each.counts}
