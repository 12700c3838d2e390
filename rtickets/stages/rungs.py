"""The learning rate and weight decay of a ticket, chosen on validation images from a ladder.

A rate that is too low costs a sparse ticket more than most choices that papers compare, and which
rate that is differs from ticket to ticket: a comparison at one rate may be one of rates. So every
rung of a ladder is trained from the same weights, under the same seed, data order and head, and the
one with the best headline on validation images is the ticket's. No test image is looked at.

Rungs are trained one after the other, each in a folder `rungs/NAME` of the stage's, whose
`rung.json` is written when it is done. A stage that was killed goes on in the rung it was in. The
best ticket so far is that in the stage's folder, written before its `rung.json`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rtickets.errors import NonFiniteLossError
from rtickets.platform import console, processes
from rtickets.stages.cached import write_lines
from rtickets.stages.settings import Rung, TransferConfig
from rtickets.stages.train import training_result
from rtickets.stages.training_run import TrainingRun
from rtickets.storage import guarded
from rtickets.storage.checkpoints import discard_checkpoints
from rtickets.storage.files import read_json, write_json
from rtickets.tasks import Headline
from rtickets.training.heads import HeadFit
from rtickets.training.selection import Outcome

_FILE = "rung.json"
Train = Callable[[TrainingRun], Outcome]
Write = Callable[[Rung, Outcome], None]


def train_rungs(
    config: TransferConfig, run: TrainingRun, train: Train, write: Write
) -> dict[str, Any]:
    """Train every rung that is not done yet.

    Args:
        config: the transfer, with a ladder.
        run: its training in the stage's folder.
        train: trains a ticket by a run.
        write: writes the trained ticket of a rung, over that of another.

    Returns:
        What `chosen` returns.

    Raises:
        NonFiniteLossError: if every rung diverged.
        Preempted: if the process was asked to stop.
    """
    folders = [run.folder / "rungs" / name_of(rung) for rung in config.rungs]
    processes.on_primary(partial(_make, folders))
    found: list[dict[str, Any]] = []
    for number, (rung, folder) in enumerate(zip(config.rungs, folders, strict=True)):
        result = processes.on_primary(partial(_stored, folder))
        if result is None:
            called = f"{run.called} {said(rung)}"
            own = run._replace(config=config.at(rung).train, folder=folder, name=called)
            result, outcome = _train(own, train)
            if outcome is not None and best_of([*found, result], run.task.headline) == number:
                write(rung, outcome)
            processes.on_primary(partial(_finish, folder, result))
        found.append(result)
    if all("failed" in result for result in found):
        processes.on_primary(partial(_forget, folders))  # so that whoever tries again does
        raise NonFiniteLossError(f"every rung of the ladder diverged; {found[-1]['failed']}")
    _sum_times(run.folder, folders)
    return chosen(config, found, run.task.headline)


def write_rungs(
    config: TransferConfig, run: TrainingRun, fits: Sequence[HeadFit], write: Write
) -> dict[str, Any]:
    """Write what became of rungs that were trained together; else as `train_rungs`."""
    folders = [run.folder / "rungs" / name_of(rung) for rung in config.rungs]
    processes.on_primary(partial(_make, folders))
    found: list[dict[str, Any]] = []
    for rung, fit, folder in zip(config.rungs, fits, folders, strict=True):
        write_lines(folder, fit)
        called = f"{run.called} {said(rung)}"
        if fit.outcome is None:
            found.append(_failed(f"{called}: {fit.failed}"))
        else:
            found.append(_result(called, folder, fit.outcome))
    place = best_of(found, run.task.headline)
    if place is None:
        raise NonFiniteLossError(f"every rung of the ladder diverged; {found[-1]['failed']}")
    outcome = fits[place].outcome
    assert outcome is not None
    write(config.rungs[place], outcome)
    _sum_times(run.folder, folders)
    return chosen(config, found, run.task.headline)


def name_of(rung: Rung) -> str:
    """Return the name of a rung's folder."""
    return f"rate{rung.learning_rate!r}-decay{rung.weight_decay!r}"


def said(rung: Rung) -> str:
    """Return a rung in words."""
    return f"learning_rate={rung.learning_rate:g} weight_decay={rung.weight_decay:g}"


def best_of(results: Sequence[Mapping[str, Any]], headline: Headline) -> int | None:
    """Return the place of the best, the first of equals, None where all failed."""
    scores = {
        place: headline.score(result["validation"])
        for place, result in enumerate(results)
        if "failed" not in result
    }
    return max(scores, key=lambda place: scores[place], default=None)


def _alike(results: Sequence[Mapping[str, Any]], headline: Headline) -> list[int]:
    """Return the places of all that are as good as the best."""
    best = best_of(results, headline)
    found = enumerate(results)
    known = {at: headline.score(each["validation"]) for at, each in found if "failed" not in each}
    return [at for at, score in known.items() if best is not None and score == known[best]]


def chosen(
    config: TransferConfig, results: Sequence[Mapping[str, Any]], headline: Headline
) -> dict[str, Any]:
    """Return what the result of a transfer says of its ladder, and say the choice.

    Args:
        config: the transfer.
        results: of its rungs, in their order; `failed` holds the reason of one that diverged.
        headline: what they are compared by.

    Returns:
        The result of the best, with its `learning_rate` and `weight_decay`, `rungs` with those and
        the validation of all, and `ladder_ends`, lines on values that are at an end of their
        ladder, if any.
    """
    place = best_of(results, headline)
    assert place is not None
    rung, best = config.rungs[place], results[place]
    rungs = [
        {**each._asdict(), **_short(result)}
        for each, result in zip(config.rungs, results, strict=True)
    ]
    ends = at_ends(config, rung)
    score = headline.say(best["validation"])
    console.say(f"chosen: {said(rung)}, validation {headline.called} {score}")
    alike = _alike(results, headline)
    if len(alike) > 1:
        console.say(
            f"{len(alike)} rungs are equally good on validation images, the first is taken: "
            + "; ".join(said(config.rungs[one]) for one in alike)
        )
    for line in ends:
        console.say(line)
    found = {**best, **rung._asdict(), "rungs": rungs}
    return {**found, "ladder_ends": ends} if ends else found


def choice_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a study keeps of the result of a transfer, as `chosen` if it has a ladder."""
    kept = ("learning_rate", "weight_decay", "ladder_ends")
    found = {name: result[name] for name in kept if name in result}
    return {"chosen": found} if found else {}


def at_ends(config: TransferConfig, rung: Rung) -> list[str]:
    """Return lines on the values of a rung beyond which there may be better ones."""
    lines = []
    for field, ladder in (
        ("learning_rate", config.learning_rates),
        ("weight_decay", config.weight_decays),
    ):
        if not ladder:
            continue
        value = getattr(rung, field)
        ends = {min(ladder): ("smallest", "smaller"), max(ladder): ("largest", "larger")}
        if value in ends and value > 0:  # there is nothing below 0
            steps = ", ".join(f"{each:g}" for each in ladder)
            end, beyond = ends[value]
            lines.append(
                f"{field}={value:g} is the {end} of {field}s=({steps}), so that a {beyond} one may "
                "be better: lengthen the ladder there"
            )
    return lines


def _make(folders: Sequence[Path]) -> None:
    for folder in folders:
        guarded.own_folder(folder)


def _forget(folders: Sequence[Path]) -> None:
    for folder in folders:
        (folder / _FILE).unlink()


def _stored(folder: Path) -> dict[str, Any] | None:
    return read_json(folder / _FILE) if (folder / _FILE).is_file() else None


def _train(run: TrainingRun, train: Train) -> tuple[dict[str, Any], Outcome | None]:
    try:
        outcome = train(run)
    except NonFiniteLossError as error:
        return _failed(str(error)), None
    result = _result(run.called, run.folder, outcome)
    return result, None if "failed" in result else outcome


def _result(called: str, folder: Path, outcome: Outcome) -> dict[str, Any]:
    result = training_result(folder, outcome)
    if not math.isfinite(result["validation"]):
        return _failed(f"{called}: validation is {result['validation']}")
    return result


def _failed(reason: str) -> dict[str, Any]:
    console.say(reason)
    return {"failed": reason}


def _finish(folder: Path, result: Mapping[str, Any]) -> None:
    write_json(folder / _FILE, result)
    discard_checkpoints(folder / "checkpoints")


def _short(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("validation", "step", "failed") if name in result}


def _sum_times(folder: Path, rungs: Sequence[Path]) -> None:
    """Write down how long all rungs took, of those that say it."""

    def write() -> None:
        files = [rung / "timing.json" for rung in rungs]
        seconds = sum(read_json(file)["seconds"] for file in files if file.is_file())
        write_json(folder / "timing.json", {"seconds": seconds})

    processes.on_primary(write)
