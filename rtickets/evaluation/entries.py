"""Measures as results hold them: names and values that JSON can take."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.tasks import Headline, Measured, Task
from rtickets.tasks.base import Batch


def entry(name: str, found: Measured) -> dict[str, Any]:
    """Return a measure with all that a report needs, what it does not say left out.

    Raises:
        InputError: for a value that is no number, by its name.
    """
    fields = found._asdict()
    detail, examples = fields.pop("detail"), fields.pop("examples")
    numbers = {key: float(fields[key]) for key in ("value", "low", "high")}
    if wrong := [f"{key}={number}" for key, number in numbers.items() if not math.isfinite(number)]:
        raise InputError(
            f"{name}: {', '.join(wrong)}; expected finite numbers: the network's answers, or what "
            "is made of them, are not finite"
        )
    more = {"detail": detail or None, "examples": examples}
    known = {key: value for key, value in more.items() if value is not None}
    return {**fields, **numbers, **known}


def entries(found: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return all measures by name, see `entry`."""
    return {name: entry(name, each) for name, each in found.items()}


def headline_entry(headline: Headline) -> dict[str, Any]:
    """Return what is known of the measure that `clean` and attacks are of."""
    return {name: value for name, value in headline._asdict().items() if value != ""}


def of_right(task: Task, right: np.ndarray, batch: Batch) -> dict[str, Any]:
    """Return how many answers are `correct`, of how many `examples`, and the headline.

    Args:
        right: bool (N,), or of a random network the share of draws in which it is, float (N,).
        batch: the examples, as the task prepared them.
    """
    found = entry(task.headline.name, task.judged(right, batch))
    count = int(right.sum()) if right.dtype == bool else float(right.sum())
    return {"correct": count, "examples": len(right), **_interval(found)}


def of_measures(task: Task, measured: Mapping[str, Measured], examples: int) -> dict[str, Any]:
    """Return of how many `examples` measures are, and the headline among them."""
    name = task.headline.name
    return {"examples": examples, **_interval(entry(name, measured[name]))}


def _interval(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("value", "low", "high")}
