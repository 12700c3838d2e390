"""Which weights of a run are kept: its best or its last, or those from before it was stopped."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import training
from rtickets.errors import NonFiniteLossError
from rtickets.masks import Params
from rtickets.tasks import Headline
from rtickets.training.objectives.base import Stop
from rtickets.training.resume import Best, Snapshot
from rtickets.training.settings import TrainConfig


class Judge(NamedTuple):
    """What decides about a run after a validation.

    Attributes:
        headline: the measure of the task that it goes by.
        stop: when the objective ends the run early, or None for never.
    """

    headline: Headline
    stop: Stop | None


class Outcome(NamedTuple):
    """What a run ends with.

    Attributes:
        params: the selected weights, on the host.
        batch_stats: their normalisation statistics.
        step: the step they come from.
        validation: their headline measure on the validation split, or None where none was measured.
        opt_state: state of the optimiser after the last step, on the host.
        seconds: wall-clock time of this process's part of the run.
        images_per_second: throughput of that part, compilation included.
        stopped: why the objective ended the run early, in its word, and at which step; or empty.
        broken: number of examples, over all steps, whose attack met gradients that were not finite.
        carry: what the objective takes along, after the last step, on the host, or None.
    """

    params: Params
    batch_stats: Any
    step: int
    validation: float | None
    opt_state: Any
    seconds: float
    images_per_second: float
    stopped: Mapping[str, int] = MappingProxyType({})
    broken: int = 0
    carry: Any = None


def validated(
    config: TrainConfig, judge: Judge, now: Snapshot, step: int, value: float
) -> Snapshot:
    """Take note of the headline measure of the weights that `training.selected` returns.

    One that is not finite is never the best, and nothing that a stop compares with.

    Returns:
        The snapshot with the value, and with these weights if they are the best so far; with the
        step in `stopped` if the objective ends the run here.
    """
    last, best, score = now.tally.validation, now.best, judge.headline.score
    before = last if last is not None and math.isfinite(last) else now.tally.before
    tally = now.tally._replace(validation=value, before=before)
    if judge.stop and judge.stop.now(None if before is None else score(before), score(value)):
        return now._replace(tally=tally._replace(stopped=step))
    keeps_last = judge.stop is not None and config.select == "last"  # to go back to
    stored = float(np.float32(value))  # of values that are equal as stored, the first is the best
    best_so_far = not _is_there(best) or score(stored) > score(float(best.value))
    if math.isfinite(stored) and (best_so_far or keeps_last):
        # Copies on the host: the next dispatch takes the state's buffers for its own.
        weights = jax.device_get(training.selected(now.state))
        best = Best(np.float32(value), np.int32(step), *weights)
    return now._replace(best=best, tally=tally)


def outcome(
    config: TrainConfig,
    judge: Judge,
    now: Snapshot,
    step: int,
    seconds: float,
    images_per_second: float,
) -> Outcome:
    """Return what a run ends with: the selected weights, on the host.

    Raises:
        NonFiniteLossError: if it was validated and what selects weights was never finite.
    """
    chosen, tally = now.best, now.tally
    if tally.validation is not None and not _is_there(chosen):
        raise NonFiniteLossError(
            f"validation {judge.headline.name} was never finite, {tally.validation} by step "
            f"{step}, so that no weights are the best; look at what the task measures"
        )
    validation: float | None = round(float(chosen.value), 7)
    if config.select == "last" and tally.stopped is None:
        chosen = Best(tally.validation, step, *training.selected(now.state))
        validation = tally.validation
    return Outcome(
        jax.device_get(chosen.params),
        jax.device_get(chosen.batch_stats),
        int(chosen.step),
        validation,
        jax.device_get(now.state.opt_state),
        seconds,
        images_per_second,
        {} if judge.stop is None or tally.stopped is None else {judge.stop.name: tally.stopped},
        tally.broken_before + tally.broken,
        jax.device_get(now.state.carry),
    )


def _is_there(best: Best) -> bool:
    """Return whether there was a validation to choose these weights by."""
    return bool(best.step >= 0 and np.isfinite(best.value))
