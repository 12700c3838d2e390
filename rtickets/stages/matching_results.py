"""What results of studies hold about matching, see `rtickets.stages.matching.matching`.

They are read as `rtickets.stages.results` says.
"""

from typing import Literal

from typing_extensions import TypedDict

from rtickets.settings.kinds import Label, Sparsity
from rtickets.stages.gain_results import Count, Number, Text

CriterionName = Literal["strict", "within_std"]
Against = Literal["dense", "own"]


class TicketMatch(TypedDict):
    """A ticket beside the dense network, and the best that was drawn on the task itself."""

    metric: Text
    transfer: Label
    draw: Label
    sparsity: Sparsity
    objective: Label
    mean: Number
    std: Number | None
    seeds: Count
    dense_mean: Number
    dense_std: Number | None
    dense_seeds: Count
    strict: bool | None
    within_std: bool | None
    own: Label | None
    own_strict: bool | None
    own_within_std: bool | None


class Verdict(TypedDict):
    """A highest matching sparsity; None where none matches."""

    objective: Label
    draw: Label
    criterion: CriterionName
    sparsity: Sparsity | None
    winning: bool


class HighestMatch(Verdict):
    """On one task."""

    metric: Text
    transfer: Label
    against: Against


class Universal(Verdict):
    """On all of several."""

    metric: Text
    transfers: list[Label]
    against: Against


class DoubleWin(Verdict):
    """In SA trained naturally, and in SA and RA trained adversarially."""

    natural: Label
    robust: Label
    attack: Label
    selected: Label
    sa_sparsity: Sparsity | None
    robust_sa_sparsity: Sparsity | None
    ra_sparsity: Sparsity | None


class MatchingResult(TypedDict):
    """All of a study."""

    tickets: list[TicketMatch]
    highest: list[HighestMatch]
    universal: list[Universal]
    double_wins: list[DoubleWin]
