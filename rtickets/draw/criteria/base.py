"""What a criterion is to a configuration: how it scores a network, and what it needs for that.

To add one, write a `CriterionEntry` beside the scores, in a file of its own, and announce it in
`rtickets.draw.criteria.registry`. Settings, checks and dry runs ask the entry and know no criterion
by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rtickets.draw.criteria.losses import Batch, OutputsOf, Perturb, task_loss
from rtickets.masks import Mask, Params
from rtickets.models.inputs import Inputs
from rtickets.platform.programs import Pinned
from rtickets.tasks import Task

ScoreFn = Callable[[Params, Mask], Any]
"""Maps masked weights and their mask to scores by path; those with the smallest die."""


class ScoredNetwork(NamedTuple):
    """The network that is scored, as it is evaluated: normalisation statistics frozen.

    Attributes:
        model: the network, a module of linen.
        batch_stats: its normalisation statistics.
        inputs: what it takes.
        outputs_fn: maps (params, what the network is called with) to outputs.
        load_batches: returns (the first input as the task prepares it, the other arrays of the
            batch by name, PRNG keys), a batch each; reads the data.
        perturb: what the loss is taken on instead of a batch, or None.
        prunable: see `rtickets.masks.select`.
        exclude: likewise.
        task: what the network is asked to do.
    """

    model: Any
    batch_stats: Any
    inputs: Inputs
    outputs_fn: OutputsOf
    load_batches: Callable[[], Sequence[Batch]]
    perturb: Perturb | None
    prunable: str
    exclude: str | None
    task: Task


@dataclass(frozen=True)
class CriterionEntry:
    """A criterion.

    Attributes:
        make: returns the scores of a subject; None for those that `rtickets.draw.draw_omp` makes of
            the weights alone, under the same name.
        from_data: whether it reads examples.
        seeded: whether it depends on the seed even without examples.
        signed: whether scores have both signs, for which only group_norm 'l1' has a meaning.
        in_rounds: whether scores are of the whole network, so that they can be taken in rounds.
        rounds: how many are usual.
        passes: forward passes' worth of work per example and round.
    """

    make: Callable[[ScoredNetwork], ScoreFn] | None = None
    from_data: bool = False
    seeded: bool = False
    signed: bool = False
    in_rounds: bool = False
    rounds: int = 1
    passes: float = 0.0


def scored_on_data(
    score: Callable[..., Any], passes: float, temperature: float = 1.0, *, signed: bool = False
) -> CriterionEntry:
    """Return the criterion of a function such as `rtickets.draw.criteria.snip`.

    Args:
        score: maps (loss_fn, params, batches, *, mask, perturb, prunable, exclude) to scores.
        passes: forward passes' worth of work per example.
        temperature: divides logits over classes.
        signed: whether scores have both signs.
    """

    def make(subject: ScoredNetwork) -> ScoreFn:
        # Nobody changes what it closes over, so that rounds need not trace it again.
        loss_fn = Pinned(task_loss(subject.task, subject.outputs_fn, temperature))
        batches = subject.load_batches()
        options = {
            "perturb": subject.perturb, "prunable": subject.prunable, "exclude": subject.exclude
        }  # fmt: skip
        return lambda params, mask: score(loss_fn, params, batches, mask=mask, **options)

    return CriterionEntry(make, from_data=True, signed=signed, in_rounds=True, passes=passes)
