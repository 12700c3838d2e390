"""Transfers of a study that are run side by side, their steps taken as one."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax

from rtickets import stages, training
from rtickets.errors import FailedBeforeError, InUseError, NonFiniteLossError
from rtickets.platform import parallel
from rtickets.runs.folders import settled
from rtickets.stages.choosing import Sample, chosen_size
from rtickets.stages.settings import TransferConfig
from rtickets.stages.training_run import program_of
from rtickets.stages.transfer import Asked, begin
from rtickets.training.inputs import FromMemory, dispatch_length
from rtickets.training.meeting import Compiled, Meeting
from rtickets.training.observe.settings import ObserveConfig

_FILE = "together.json"


def may_meet(config: TransferConfig) -> bool:
    """Return whether transfers of a configuration may be run side by side.

    Their data must lie in memory, which is looked at later. Processes of one run would reach
    what they wait for each other at in different orders.
    """
    return jax.process_count() == 1 and config.train.observe == ObserveConfig()


def size_of(study: Path, label: str, asked: Asked, count: int, devices: parallel.Devices) -> int:
    """Return how many of a study's transfers are run at once, see `chosen_size`.

    Args:
        study: the study's folder.
        label: of the transfers.
        asked: one of them.
        count: how many there are.
    """
    return chosen_size(study / _FILE, label, partial(_sample, asked, study, devices), count)


def _sample(asked: Asked, study: Path, devices: parallel.Devices) -> Sample | None:
    """Return a transfer as it begins, None where its steps cannot be taken with others'."""
    begun = begin(asked, study, devices)
    run, config, mask = begun.run, asked.config, begun.ready.mask
    if run.dataset.train.streamed:
        return None
    shape = run.task.input_spec(run.transform, run.dataset.train.spec)[0].shape
    program = program_of(run, shape, config.trainable)
    state = training.init_state(program, *begun.weights, mask)
    feed = FromMemory(program, run.dataset.train, config.train.seed)
    dispatch = dispatch_length(config.train, program, feed)
    return Sample(program, state, mask, feed, dispatch, program.total_steps * len(config.rungs))


def run_side_by_side(
    asked: Sequence[Asked], size: int, workdir: Path, devices: parallel.Devices
) -> list[Exception]:
    """Run transfers side by side, and return what was raised that no folder remembers.

    Raises:
        ChangedError: as `run_once` does, for any of them, before any is trained.
        Preempted: if the process was asked to stop.
    """
    for each in asked:
        settled(each.folder(workdir))

    def work(each: Asked) -> Callable[[Compiled], Any]:
        where = each.config, each.source, workdir, each.name, devices
        return lambda compiled: stages.transfer(*where, compiled)

    raised = Meeting(size).run([work(each) for each in asked])
    remembered = (InUseError, NonFiniteLossError, FailedBeforeError)  # what the cell itself meets
    found = []
    for error in raised:
        if isinstance(error, Exception):
            found += [] if isinstance(error, remembered) else [error]
        elif error is not None:
            raise error
    return found
