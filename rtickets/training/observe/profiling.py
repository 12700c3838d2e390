"""Where the time of a training step goes: a trace of some steps, and its split into three parts."""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import Array

from rtickets import training
from rtickets.masks import Mask
from rtickets.platform import parallel
from rtickets.storage import guarded
from rtickets.tasks import Batch
from rtickets.training.objectives import ObjectiveConfig

_UNTRACED = 2  # calls of the device before the trace: the first compiles, the second warms up
_REPEATS = 5


class Tracer:
    """Writes a trace of some steps of a run, which TensorBoard, XProf or Perfetto show."""

    def __init__(self, folder: Path, steps: int) -> None:
        """Bind the tracer; `steps` are rounded up to whole calls of the device, 0 is for none."""
        self._folder, self._left = folder, steps
        self._calls, self._tracing = 0, False
        self._path = ExitStack()  # holds the folder while the trace is written

    def dispatch(self, state: Any, steps: int) -> None:
        """Start or stop the trace before a call of the device.

        Args:
            state: arrays that the call starts from; the trace waits for them.
            steps: how many steps the call takes.
        """
        if self._tracing and self._left <= 0:
            self._stop(state)
        if self._calls == _UNTRACED and self._left > 0:
            jax.block_until_ready(state)
            path = guarded.plain_path(guarded.own_folder(self._folder))
            jax.profiler.start_trace(str(self._path.enter_context(path)))
            self._tracing = True
        self._calls += 1
        if self._tracing:
            self._left -= steps

    def close(self) -> None:
        """Stop the trace if the run ended within it."""
        if self._tracing:
            self._stop(None)

    def _stop(self, state: Any) -> None:
        jax.block_until_ready(state)
        with self._path, guarded.as_os_error(self._folder):
            jax.profiler.stop_trace()
        self._tracing = False


class StepSplit(NamedTuple):
    """Seconds of the parts of one training step, each the median of some calls.

    Attributes:
        input: choosing the stored images and augmenting them.
        attack: what the objective takes beyond a natural step: its inner maximisation or noise.
        update: the natural step: forward and backward pass, sums over devices, optimiser.
        step: the whole step, which the three add up to.
    """

    input: float
    attack: float
    update: float
    step: float


def step_split(
    program: training.Program,
    state: training.TrainState,
    mask: Mask,
    run: training.RunData,
    data: Batch,
    indices: Array,
) -> StepSplit:
    """Measure the parts of a training step, which one compiled program does without a seam.

    The whole step, the step with a natural objective and the input alone are compiled and timed
    apart, and subtracted. XLA may fuse across the seams in the whole step, and times differ from
    call to call, so small parts are rough; a negative difference counts as 0.

    Args:
        state: where the run is; it is copied, its buffers stay valid.
        data: stored examples, arrays (N, ...) by name, replicated over the devices.
        indices: int32 (D, 1, B / D), the examples of one step.
    """
    natural = replace(program, objective=ObjectiveConfig())

    def time_of(program: training.Program) -> float:
        step = training.compiled(program)
        copy = parallel.replicate(state, program.devices)
        return _seconds(lambda state: step(state, mask, run, data, indices)[0], copy)

    whole = time_of(program)
    without = whole if program.objective == natural.objective else time_of(natural)
    make_batch = _input_program(program)
    batch = _seconds(lambda _: make_batch(run, data, indices), None)
    batch = min(batch, without)
    return StepSplit(batch, max(whole - without, 0.0), without - batch, whole)


def _input_program(program: training.Program) -> Callable[..., Any]:
    """Return (run, data, indices (D, 1, B / D)) -> the augmented batch (D, B / D, ...)."""

    def make_batch(run: training.RunData, data: Batch, indices: Array) -> Batch:
        keys = jax.vmap(lambda i: jax.random.fold_in(run.key, i))(indices[0])
        raw = jax.tree.map(lambda leaf: leaf[indices[0]], data)
        return program.task.augment(program.transform, keys, raw)

    return parallel.parallel(
        make_batch, in_axes=(None, None, 0), out_axes=0, devices=program.devices
    )


def _seconds(call: Callable[[Any], Any], state: Any) -> float:
    """Return the median seconds of a call on its own result, after one that compiles."""
    state, seconds = jax.block_until_ready(call(state)), []
    for _ in range(_REPEATS):
        start = time.monotonic()
        state = jax.block_until_ready(call(state))
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)
