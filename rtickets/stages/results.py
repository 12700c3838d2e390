"""What results of evaluations and studies hold: a run folder may have been made by anybody.

`result.json` is read here into these types before anything is shown or used. What is not listed
does not get through.
"""

from collections.abc import Mapping
from itertools import chain
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic takes Python's own from 3.12 on
)

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from rtickets.data.arrays import Metric
from rtickets.errors import InputError
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.settings.kinds import Label, Seed, Sparsity
from rtickets.stages.earlier_draws import with_ways_of_today
from rtickets.stages.gain_results import Count, GainResult, GapReading, Number, Text, Unit
from rtickets.stages.matching_results import MatchingResult
from rtickets.stages.study_settings import StudyConfig
from rtickets.storage.files import read_json
from rtickets.tasks import Classification, Headline, units

Radius = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FolderName = Annotated[str, StringConstraints(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")]
_MOST_PROBLEMS = 3  # that a message names


class HeadlineResult(TypedDict):
    """See `rtickets.tasks.Headline`."""

    name: Text
    unit: NotRequired[Unit]
    higher_is_better: NotRequired[bool]
    words: NotRequired[Text]


class MeasureResult(TypedDict):
    """See `rtickets.tasks.Measured`; older ones have no `examples`."""

    value: Number
    low: Number
    high: Number
    unit: Unit
    higher_is_better: bool | None
    detail: NotRequired[bool]
    examples: NotRequired[Count]


class Value(TypedDict):
    """The headline measure with its interval, and how many answers are right, a mean over draws.

    The latter is there where answers are right or wrong; `chance` is what can be had without
    looking at the input, where that is known.
    """

    correct: NotRequired[Annotated[int | float, Field(ge=0, allow_inf_nan=False)]]
    examples: Count
    value: Number
    low: Number
    high: Number
    chance: NotRequired[Number]


class PointOfAttack(Value):
    """At a radius of an attack."""

    eps: Radius


class PointOfCertificate(Value):
    """What is certified at a radius."""

    radius: Radius


class AttackValue(Value):
    """Under an attack, and over its radii."""

    curve: NotRequired[list[PointOfAttack]]
    measures: NotRequired[dict[Text, MeasureResult]]


class Certified(TypedDict):
    """What is certified over the radius."""

    curve: list[PointOfCertificate]


class Finding(TypedDict):
    """What a check found, see `rtickets.attacks.honesty.findings`."""

    about: str
    check: str
    passed: bool
    value: Annotated[float, Field(allow_inf_nan=False)] | None
    message: str


class Honesty(TypedDict):
    """Whether values under attack can be trusted; None where that was not examined, and why."""

    passed: bool | None
    findings: list[Finding]
    reason: NotRequired[str]


class Evaluation(TypedDict):
    """The result of an evaluation.

    Older ones have no `headline` and `measures`; `metric` names theirs where it is no accuracy.
    `broken` has signs that the network is broken; in a study also those of its draw.
    """

    headline: NotRequired[HeadlineResult]
    clean: Value
    measures: NotRequired[dict[Text, MeasureResult]]
    pictures: NotRequired[list[FolderName]]
    tables: NotRequired[dict[Text, list[dict[Text, Number]]]]
    attacks: dict[Label, AttackValue]
    metric: NotRequired[Metric]
    honesty: NotRequired[Honesty]
    certified: NotRequired[Certified]
    broken: NotRequired[list[str]]


class SourceResult(Evaluation):
    """A source network of a study."""

    seed: Seed
    objective: Label
    ticket: NotRequired[FolderName]
    evaluation: NotRequired[FolderName]


class Choice(TypedDict):
    """What a transfer chose on validation images, and lines on values at an end of their ladder."""

    learning_rate: Number
    weight_decay: Number
    ladder_ends: NotRequired[list[str]]


class CellResult(Evaluation):
    """A cell of a study.

    `ticket` is the run folder of what was drawn, or of the pretraining where nothing was; `trained`
    that of the transfer, which older results do not name.
    """

    seed: Seed
    objective: Label
    draw: Label
    sparsity: Sparsity
    transfer: Label
    ticket: FolderName
    trained: NotRequired[FolderName]
    evaluation: NotRequired[FolderName]
    chosen: NotRequired[Choice]


class FailedUnit(TypedDict):
    """A source network or cell of a study that could not be measured."""

    reason: str
    seed: Seed
    objective: Label
    draw: NotRequired[Label]
    sparsity: NotRequired[Sparsity]
    transfer: NotRequired[Label]


def headline_of(evaluation: Mapping[str, Any]) -> Headline:
    """Return what the values of an evaluation are of, also of one that does not say it."""
    if "headline" in evaluation:
        return Headline(**evaluation["headline"])
    return Classification(metric=evaluation.get("metric", "accuracy")).headline


def with_signs_of_draw(evaluation: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of an evaluation with the signs that its ticket is broken before its own.

    Args:
        evaluation: its result.
        drawn: that of the stage which left the ticket. Its `notes` are taken: beside the signs they
            have what its scores did not tell, as layers that all score 0.
    """
    signs = [*drawn.get("notes", ()), *evaluation.get("broken", ())]
    return {**evaluation, **({"broken": signs} if signs else {})}


def _checked_shares(evaluation: Any) -> Any:
    """Refuse shares of a whole that are none."""
    found = [*evaluation.get("measures", {}).values()]
    if headline_of(evaluation).unit == units.SHARE:
        curves = [each.get("curve", []) for each in evaluation["attacks"].values()]
        curves.append(evaluation.get("certified", {"curve": []})["curve"])
        values = [evaluation["clean"], *evaluation["attacks"].values(), *chain(*curves)]
        found += [{**each, "unit": units.SHARE} for each in values]
    for each in found:
        numbers = [each[name] for name in ("value", "low", "high")]
        if each["unit"] == units.SHARE and not all(0 <= number <= 1 for number in numbers):
            raise ValueError(f"{numbers} are no shares: not all lie in [0, 1]")
    return evaluation


class StudyResult(TypedDict):
    """The result of a study."""

    cells: list[Annotated[CellResult, AfterValidator(_checked_shares)]]
    sources: list[Annotated[SourceResult, AfterValidator(_checked_shares)]]
    failed: NotRequired[list[FailedUnit]]
    gains: NotRequired[list[GainResult]]
    gap_readings: NotRequired[list[GapReading]]
    matching: NotRequired[MatchingResult]


def read_evaluation(folder: RunFolder) -> Evaluation:
    """Return the result of a complete evaluation.

    Raises:
        InputError: if it is not complete, or its result is none of an evaluation.
    """
    return _checked(Annotated[Evaluation, AfterValidator(_checked_shares)], folder)


def read_study(folder: RunFolder) -> StudyResult:
    """Return the result of a complete study.

    Raises:
        InputError: if it is not complete, or its result is none of a study.
    """
    return _checked(StudyResult, folder)


def read_study_config(folder: RunFolder) -> StudyConfig:
    """Return the configuration of a study.

    Raises:
        InputError: if it is damaged, or none of a study.
    """
    file = folder.path / "config.json"
    values = with_ways_of_today(read_json(file))
    try:
        return config_files.parse(StudyConfig, values)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _checked(kind: Any, folder: RunFolder) -> Any:
    try:
        return TypeAdapter(kind).validate_python(folder.result())
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].lower()}"
            for one in error.errors(include_input=False, include_url=False)[:_MOST_PROBLEMS]
        ]
        raise InputError(
            f"{folder.path / 'result.json'} is no result of this stage ({'; '.join(problems)}); "
            "restore it from a copy, or remove its folder and run the stage again"
        ) from None
