"""Settings of a search: its penalty, its events, and what comes back."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE
from rtickets.masks.trees import check_expression
from rtickets.settings.kinds import (
    STRICT,
    Duration,
    NotNegative,
    Positive,
    is_never,
    to_steps,
)

Reactivation = Literal["explicit", "on_shrink", "none"]


@dataclass(frozen=True, config=STRICT)
class SearchingConfig:
    """The two-in-one loop of SuperTickets (You et al. 2022): search events before prune events.

    Attributes:
        search_every: how often channels die; '0ep' never.
        threshold: a channel lives if the absolute value of its scale is larger, in the weights or
            in their average; in the last event of a run the average alone decides.
        least_freed: multiply-adds that dead channels must free before any is removed; the last
            event removes them in any case.
        penalty: weight of the L1 penalty on scales.
        penalty_by: scales are weighted by what their channel 'costs', over the mean of all
            channels, or all alike ('equal').
        refresh: weigh by the costs of the channels that live, after each removal; else once.
        penalty_warmup: how long the penalty rises from 0.
        budget: multiply-adds to come down to, or None. Every search event above it multiplies the
            penalty by `urgency`, and at it the penalty ends. If the last event still finds more,
            the channels with the smallest scales go until it is met.
        urgency: see `budget`.
        prune_every: how often weights are pruned, and a ticket written; '0ep' never.
        sparsity: of the weights of living channels, in the end.
        sparsity_step: which every prune event adds, up to `sparsity`.
        floor: the part of the weights of living channels that every layer keeps at least, rounded
            up; down where all layers together would keep more than the sparsity leaves.
        reactivation: masked weights come back 'explicit'ly after every prune event, in searchable
            blocks whenever channels die ('on_shrink'), or by the next prune event alone ('none').
        masked: values of masked weights are 'decayed' by weight decay and momentum, or 'frozen'.
        prunable: regular expression that the path of a prunable leaf must match.
        exclude: regular expression of leaves to leave alone.
        calibration_batches: of training images that statistics are estimated anew on, before every
            validation and for tickets.
        early: after how long the whole network is kept as `early`, to rewind to; '0ep' never.
    """

    search_every: Duration = "10ep"
    threshold: NotNegative = 1e-3
    least_freed: Annotated[int, Field(ge=0)] = 1_000_000
    penalty: NotNegative = 1.4e-4
    penalty_by: Literal["cost", "equal"] = "cost"
    refresh: bool = False
    penalty_warmup: Duration = "25ep"
    budget: Positive | None = None
    urgency: Annotated[float, Field(ge=1, le=100)] = 1.5
    prune_every: Duration = "25ep"
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.8
    sparsity_step: Annotated[float, Field(gt=0, lt=1)] = 0.1
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0
    reactivation: Reactivation = "on_shrink"
    masked: Literal["decayed", "frozen"] = "decayed"
    prunable: str = DEFAULT_PRUNABLE
    exclude: str | None = None
    calibration_batches: Positive = 10
    early: Duration = "0ep"

    def sparsity_at(self, event: int) -> float:
        """Return the sparsity of a prune event, counted from 1."""
        return min(round(event * self.sparsity_step, 10), self.sparsity)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the fields together."""
        if is_never(self.search_every) and is_never(self.prune_every):
            yield "search_every and prune_every are both never; set one of them"
        if is_never(self.search_every) and self.budget is not None:
            yield f"budget={self.budget} needs search_every, in whose events channels die"
        if self.floor > 1 - self.sparsity + 1e-9:  # both are decimals: 0.2 is 1 - 0.8
            yield (
                f"floor={self.floor} of every layer is more than sparsity={self.sparsity} leaves; "
                "lower one of them"
            )

    @model_validator(mode="after")
    def _check(self) -> "SearchingConfig":
        for name in ("prunable", "exclude"):
            if (expression := getattr(self, name)) is not None:
                check_expression(expression, name)
        if found := "; ".join(self.problems()):
            raise ValueError(found)
        return self


def check_length(config: SearchingConfig, duration: Duration, events: int) -> None:
    """Raise InputError for a run that ends before the sparsity is reached.

    Args:
        events: prune events in the run.
    """
    if not is_never(config.prune_every) and config.sparsity_at(events) < config.sparsity:
        raise InputError(
            f"prune_every={config.prune_every!r} in duration={duration!r} makes {events} events, "
            f"which reach sparsity {config.sparsity_at(events)}, not {config.sparsity}; prune more "
            "often, by a larger sparsity_step, or train longer"
        )


def events_in(duration: Duration, every: Duration, steps_per_epoch: int | None) -> int | None:
    """Return how many events of a period a run has, its end among them.

    None where that depends on the steps of an epoch, and these are not given; 0 for no events.
    """
    if is_never(every):
        return 0
    if steps_per_epoch is None:
        if duration[-2:] != every[-2:]:
            return None
        steps_per_epoch = 1
    return -(-to_steps(duration, steps_per_epoch) // to_steps(every, steps_per_epoch))


def idle_reactivation(config: SearchingConfig, search: int, prune: int) -> str | None:
    """Say where nothing comes back although it may, as channels never die between prune events.

    Args:
        search: steps between search events, 0 for never.
        prune: those between prune events.
    """
    if config.reactivation != "on_shrink" or not prune or (search and search % prune):
        return None
    why = "no channel dies"
    if search:
        why = (
            f"every search event is a prune event too (search_every={config.search_every!r}, "
            f"prune_every={config.prune_every!r}), which prunes again what came back"
        )
    return f"reactivation='on_shrink' is 'none' here: {why}"


def check_budget(config: SearchingConfig, least: int) -> None:
    """Raise InputError for a budget that no search can come down to.

    Args:
        least: multiply-adds of the network without any searchable channel.
    """
    if config.budget is not None and config.budget < least:
        raise InputError(
            f"budget={config.budget:,} multiply-adds cannot be met: {least:,} are of layers that "
            "are not searched (stem, shortcuts, head); give more, or take smaller inputs or a "
            "narrower network"
        )


def check_early(
    config: SearchingConfig, duration: Duration, every: Sequence[int], steps_per_epoch: int
) -> int:
    """Return the step of `early`, 0 for none.

    Args:
        every: steps between the events of each kind, 0 for never.

    Raises:
        InputError: if the network is not whole by then, or the run over.
    """
    early = to_steps(config.early, steps_per_epoch)
    first = min([to_steps(duration, steps_per_epoch), *(each for each in every if each)])
    if early >= first:
        raise InputError(
            f"early={config.early!r} is step {early}, and step {first} has the first event of the "
            "run or is its last; rewind to an earlier one, when the network is whole"
        )
    return early
