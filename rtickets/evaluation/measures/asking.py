"""The measures that an evaluation asks for: refused before anything is computed, or measured."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from rtickets.data.arrays import IMAGE
from rtickets.errors import InputError
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples, Network
from rtickets.tasks import Measured
from rtickets.tasks.base import Sums


def check_measures(
    measures: Mapping[str, MeasureConfig], examples: Examples, network: Network | None = None
) -> None:
    """Refuse measures that have no meaning for a split and its task, or for a network.

    Raises:
        InputError: for those of logits over classes where there are no classes, and what
            `MeasureConfig.check` and `check_network` refuse.
    """
    task = examples.task
    for label, measure in measures.items():
        if measure.needs_classes and not task.has_classes:
            raise InputError(
                f"measures.{label}={measure.name!r} is of logits over classes, which "
                f"{type(task).__name__} has not; leave it out"
            )
        if measure.needs_images and IMAGE not in task.inputs:
            raise InputError(
                f"measures.{label}={measure.name!r} is of images, and {type(task).__name__} is "
                f"about {', '.join(task.inputs)}; leave it out"
            )
        with _named(label):
            measure.check(examples)
            if network is not None:
                measure.check_network(network, examples)


def measure_all(
    measures: Mapping[str, MeasureConfig], asked: Asked, sums: Mapping[str, Sums]
) -> dict[str, Measured]:
    """Return the values of all measures as LABEL.NAME.

    Args:
        measures: by label.
        asked: what they are asked about.
        sums: of all the split, by label, of those that are made of sums.

    Raises:
        InputError: naming the label, where a measure has no value for the network's answers.
    """
    found: dict[str, Measured] = {}
    for label, measure in measures.items():
        with _named(label):
            keep, tabulate = (
                partial(_named_as, each, label) for each in (asked.keep, asked.tabulate)
            )
            own = measure.measure(
                asked._replace(keep=keep, tabulate=tabulate, sums=sums.get(label))
            )
        count = measure.examples_of(len(asked.examples.split))
        found |= {
            f"{label}.{name}": value
            if value.examples is not None
            else value._replace(examples=count)
            for name, value in own.items()
        }
    return found


def _named_as(keep: Callable[[str, Any], None], label: str, name: str, what: Any) -> None:
    keep(f"{label}.{name}", what)


@contextmanager
def _named(label: str) -> Iterator[None]:
    """Say of which measure an error is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"measures.{label}: {error}") from None
