"""What results of evaluations and studies hold: a run folder may have been made by anybody.

`result.json` is read here into these types before anything is shown or used. What is not listed
does not get through.
"""

from collections.abc import Mapping
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic takes Python's own from 3.12 on
    TypeVar,
)

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from rtickets.errors import InputError
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.settings.kinds import Label, Seed, Sparsity
from rtickets.stages.study_settings import StudyConfig
from rtickets.storage.files import read_json

T = TypeVar("T")
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Radius = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FolderName = Annotated[str, StringConstraints(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")]
_MOST_PROBLEMS = 3  # that a message names


class Accuracy(TypedDict):
    """See `rtickets.tasks.accuracy.Accuracy`."""

    correct: Count
    examples: Count
    value: Share
    low: Share
    high: Share


class PointOfAttack(Accuracy):
    """Accuracy at a radius of an attack."""

    eps: Radius


class PointOfCertificate(Accuracy):
    """Certified accuracy at a radius."""

    radius: Radius


class AttackAccuracy(Accuracy):
    """Accuracy under an attack, and over its radii."""

    curve: NotRequired[list[PointOfAttack]]


class Certified(TypedDict):
    """Certified accuracy over the radius."""

    curve: list[PointOfCertificate]


class Finding(TypedDict):
    """What a check found, see `rtickets.attacks.honesty.findings`."""

    about: str
    check: str
    passed: bool
    value: Annotated[float, Field(allow_inf_nan=False)] | None
    message: str


class Honesty(TypedDict):
    """Whether robust accuracies can be trusted; None where that was not examined."""

    passed: bool | None
    findings: list[Finding]


class Evaluation(TypedDict):
    """The result of an evaluation."""

    clean: Accuracy
    attacks: dict[Label, AttackAccuracy]
    metric: NotRequired[str]
    honesty: NotRequired[Honesty]
    certified: NotRequired[Certified]


class SourceResult(Evaluation):
    """A source network of a study."""

    seed: Seed
    objective: Label
    ticket: NotRequired[FolderName]


class CellResult(Evaluation):
    """A cell of a study."""

    seed: Seed
    objective: Label
    draw: Label
    sparsity: Sparsity
    transfer: Label
    ticket: FolderName


class FailedUnit(TypedDict):
    """A source network or cell of a study that could not be measured."""

    reason: str
    seed: Seed
    objective: Label
    draw: NotRequired[Label]
    sparsity: NotRequired[Sparsity]
    transfer: NotRequired[Label]


class StudyResult(TypedDict):
    """The result of a study."""

    cells: list[CellResult]
    sources: list[SourceResult]
    failed: NotRequired[list[FailedUnit]]


def read_evaluation(folder: RunFolder) -> Evaluation:
    """Return the result of a complete evaluation.

    Raises:
        InputError: if it is not complete, or its result is none of an evaluation.
    """
    return _checked(Evaluation, folder)


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
    values: Mapping[str, Any] = read_json(file)
    try:
        return config_files.parse(StudyConfig, values)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _checked(kind: type[T], folder: RunFolder) -> T:
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
