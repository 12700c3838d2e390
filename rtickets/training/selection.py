"""Which weights of a run are kept: its best or its last, or those from before it collapsed."""

from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import training
from rtickets.masks import Params
from rtickets.training.objectives.fast import has_collapsed
from rtickets.training.settings import TrainConfig
from rtickets.training.snapshot import Best, Snapshot


class Outcome(NamedTuple):
    """What a run ends with.

    Attributes:
        params: the selected weights, on the host.
        batch_stats: their normalisation statistics.
        step: the step they come from.
        validation: their validation accuracy, or None where none was measured.
        opt_state: state of the optimiser after the last step, on the host.
        seconds: wall-clock time of this process's part of the run.
        images_per_second: throughput of that part, compilation included.
        collapsed: the step at which fast training collapsed and was stopped, or None.
    """

    params: Params
    batch_stats: Any
    step: int
    validation: float | None
    opt_state: Any
    seconds: float
    images_per_second: float
    collapsed: int | None = None


def validated(config: TrainConfig, now: Snapshot, step: int, accuracy: float) -> Snapshot:
    """Take note of a validation.

    Args:
        config: of the run.
        now: where the run is.
        step: its step.
        accuracy: of the weights that `training.selected` returns.

    Returns:
        The snapshot with the accuracy, and with these weights if they are the best so far; with the
        step in `collapsed` if fast training has collapsed since the validation before.
    """
    objective, before, best = config.objective, now.tally.validation, now.best
    fast = objective.name == "fast"
    tally = now.tally._replace(validation=accuracy)
    if fast and has_collapsed(before, accuracy, objective.collapse):
        return now._replace(tally=tally._replace(collapsed=step))
    keeps_last = fast and config.select == "last"  # to go back to after a collapse
    if accuracy > best.accuracy or keeps_last:
        weights = jax.device_get(training.selected(now.state))
        best = Best(np.float32(accuracy), np.int32(step), *weights)
    return now._replace(best=best, tally=tally)


def outcome(
    config: TrainConfig, now: Snapshot, step: int, seconds: float, images_per_second: float
) -> Outcome:
    """Return what a run ends with.

    Args:
        config: of the run.
        now: where the run is.
        step: its step.
        seconds: see `Outcome`.
        images_per_second: see `Outcome`.

    Returns:
        The selected weights, on the host.
    """
    chosen, tally = now.best, now.tally
    validation: float | None = round(float(chosen.accuracy), 7)
    if config.select == "last" and tally.collapsed is None:
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
        tally.collapsed,
    )
