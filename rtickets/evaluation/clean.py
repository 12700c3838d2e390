"""What a network is worth on examples as they are."""

from typing import Any, NamedTuple

from rtickets.evaluation.comparison import Gallery, compared
from rtickets.evaluation.counting import Counter, Judged, count, count_and_keep
from rtickets.evaluation.entries import of_measures
from rtickets.evaluation.outcomes import Outcome, outcome_of
from rtickets.evaluation.predict import Examples, Network
from rtickets.tasks import Measured, Sums


class Clean(NamedTuple):
    """What was found in one pass.

    Attributes:
        value: the headline as results hold it, with how many `examples`; where there are classes,
            with how many answers are `correct`, and the task's `chance`, where that is known.
        measures: all measures of the task.
        further: the sums of further counters.
        outcome: what became of every example, where there are classes.
    """

    value: dict[str, Any]
    measures: dict[str, Measured]
    further: tuple[Sums, ...]
    outcome: Outcome | None


def measure_clean(
    network: Network,
    examples: Examples,
    *further: Counter,
    batch_size: int = 256,
    gallery: Gallery | None = None,
) -> Clean:
    """Measure a network on examples as they are, in one pass over them.

    A task that is judged by a comparison takes further passes, see `compared`.
    """
    task, outcome = examples.task, None
    counters, options = (task, *further), {"batch_size": batch_size}
    if task.has_classes:
        kept = count_and_keep(network, examples, counters, Judged(), **options)
        (own, *others), (right, batch) = kept
        outcome, chance = outcome_of(task, right, batch), task.chance(batch)
    else:
        own, *others = count(network, examples, *counters, **options)
        chance = task.baseline(own)
    known = {} if chance is None else {"chance": chance}
    measures = task.measures({**own, **compared(network, examples, gallery, batch_size)})
    value = {**of_measures(task, measures, len(examples.split)), **known}
    if outcome is not None:
        value = {"correct": int(outcome.right.sum()), **value}
    return Clean(value, measures, tuple(others), outcome)
