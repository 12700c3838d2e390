"""Transfers of a study that are run side by side, their steps taken as one."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax

from rtickets import stages, training
from rtickets.errors import FailedBeforeError, InUseError, NonFiniteLossError
from rtickets.masks import Mask, Params
from rtickets.platform import parallel
from rtickets.settings.kinds import to_steps
from rtickets.stages.choosing import Sample, chosen_size
from rtickets.stages.settings import TransferConfig
from rtickets.stages.training_run import TrainingRun, program_of
from rtickets.stages.transfer import Asked, begin
from rtickets.training.inputs import FromMemory
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
    begun = begin(asked, study, devices)
    if begun.run.dataset.train.streamed:
        return 1
    steps = to_steps(asked.config.train.duration, begun.run.steps_per_epoch)
    sample = partial(_sample, begun.run, begun.weights, begun.ready.mask, asked.config)
    total = steps * len(asked.config.rungs)
    return chosen_size(study / _FILE, label, sample, count, total)


def _sample(
    run: TrainingRun, weights: tuple[Params, Any], mask: Mask, config: TransferConfig
) -> Sample:
    shape = run.task.input_spec(run.transform, run.dataset.train.spec)[0].shape
    program = program_of(run, shape, config.trainable)
    state = training.init_state(program, *weights, mask)
    feed = FromMemory(program, run.dataset.train, config.train.seed)
    on_cpu = program.devices[0].platform == "cpu"
    return Sample(program, state, mask, feed, 1 if on_cpu else feed.steps_per_dispatch)


def run_side_by_side(
    asked: Sequence[Asked], size: int, workdir: Path, devices: parallel.Devices
) -> list[Exception]:
    """Run transfers side by side, and return what was raised that no folder remembers."""

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
