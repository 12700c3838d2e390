"""What results of studies hold about gains, and the kinds of values that all results are made of.

They are read as `rtickets.stages.results` says.
"""

from typing import Annotated

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from rtickets.settings.kinds import Label, Sparsity

Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,80}$")]
Unit = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{0,20}$")]
Count = Annotated[int, Field(ge=0)]


class GainResult(TypedDict):
    """A gain of a study, see `rtickets.stages.comparison.gains_of`."""

    metric: Text
    transfer: Label
    draw: Label
    sparsity: Sparsity
    objective: Label
    gain: Number
    gain_std: Number | None
    gain_seeds: Count
    gain_low: Number | None
    gain_high: Number | None
    gain_over: Text
    gain_error_seeds: Number | None
    gain_error_examples: Number | None
    gain_p: Number | None
    gain_p_holm: Number | None


class GapTarget(TypedDict):
    """A target of a reading: how far it is, and the gain there."""

    transfer: Label
    distance: Number
    gain: Number
    gain_low: Number | None
    gain_high: Number | None


class GapReading(TypedDict):
    """Gaps against gains, see `rtickets.stages.gap_reading.gap_readings`."""

    gap: Text
    mode: Label
    metric: Text
    draw: Label
    sparsity: Sparsity
    objective: Label
    targets: list[GapTarget]
    rho: Number | None
    low: Number | None
    high: Number | None
    p: Number | None
    p_holm: Number | None
