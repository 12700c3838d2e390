"""Heads on features that were computed once, any number trained together.

Where nothing but the head moves, what the network before it finds in an example is the same in
every epoch. So it is computed once, and the heads see arrays. Each is trained by the very step that
trains whole networks (`rtickets.training.step`), with the batches of its seed, mapped with `vmap`
over heads: over learning rates, and over seeds and tickets where their features have one shape. A
dispatch takes many steps also on CPU, as there are no convolutions in them.

Nothing is saved on the way: it takes seconds, and begun anew it ends the same.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import training
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.masks import Params
from rtickets.platform import parallel, preemption
from rtickets.settings.kinds import to_steps
from rtickets.tasks.measured import measured_if_any
from rtickets.training import resume, selection
from rtickets.training.batches import batch_indices
from rtickets.training.resume import Snapshot
from rtickets.training.selection import Outcome
from rtickets.training.settings import TrainConfig

_LONGEST = 500  # steps of a dispatch, so that being asked to stop is soon heard


@dataclass(frozen=True)
class AsTheyAre(Transform):
    """The transform of inputs that are features."""

    def prepare(self, images: Array) -> Array:
        """Return the inputs."""
        return images

    def training_input(self, keys: Array, images: Array, extents: Array | None = None) -> Array:
        """Return the inputs."""
        del keys, extents
        return images


class HeadRun(NamedTuple):
    """A head to train.

    Attributes:
        params: its initial weights, as the entry 'head' alone of a network's.
        split: the examples, features in the place of inputs. Runs that share one share its memory.
        seed: of the order of the data.
        learning_rate: the peak.
        validate: (weights, as `params`) -> their headline measure on validation examples.
    """

    params: Params
    split: Split
    seed: int
    learning_rate: float
    validate: Callable[[Params], float]


class HeadFit(NamedTuple):
    """What became of one.

    Attributes:
        outcome: the selected weights; None if it diverged.
        lines: what `rtickets.training.loop` writes to `metrics.jsonl`.
        failed: why it diverged, else None.
        together: how many heads were trained in one program with it, itself included.
    """

    outcome: Outcome | None
    lines: list[dict[str, Any]]
    failed: str | None
    together: int = 1


def fit_heads(
    program: training.Program, config: TrainConfig, runs: Sequence[HeadRun]
) -> list[HeadFit]:
    """Train heads side by side.

    Args:
        program: of one of them: its model maps features to outputs, and its transform leaves them.
        config: how long, and which weights are selected.
        runs: the heads, all of one shape, on as many examples each.

    Returns:
        What became of each, in this order.

    Raises:
        InputError: if they do not go together.
        Preempted: if the process was asked to stop.
    """
    _check_alike(runs)
    began, heads = time.monotonic(), [_Head(program, config, run) for run in runs]
    mask = jax.tree.map(lambda _: np.ones((), bool), runs[0].params)
    states = _stack([head.now.state for head in heads])
    keys = jnp.stack([jax.random.key(run.seed) for run in runs])
    rates = jnp.asarray([run.learning_rate for run in runs], jnp.float32)
    feed = _Feed(program, runs)
    fixed = (states, mask, training.RunData(keys, rates))
    states, mask, data = parallel.replicate(fixed, program.devices)
    check = preemption.late_check(program.devices)
    for start, stop, ends_line in _dispatches(program, config):
        check()
        states, totals = feed.compiled(states, mask, data, *feed.arguments(start, stop))
        each = jax.device_get(totals)
        if ends_line:
            after = jax.device_get(states)
        for place, head in enumerate(heads):
            head.count(jax.tree.map(lambda leaf, at=place: leaf[at], each), stop)
            if ends_line:
                head.log(jax.tree.map(lambda leaf, at=place: leaf[at], after), stop)
    seconds = (time.monotonic() - began) / len(runs)
    return [head.fit(seconds)._replace(together=len(runs)) for head in heads]


def _dispatches(program: training.Program, config: TrainConfig) -> Iterator[tuple[int, int, bool]]:
    """Yield (first step, last, whether a line of metrics ends there) of every dispatch."""
    total, every = program.total_steps, to_steps(config.validate_every, program.steps_per_epoch)
    period = every or program.steps_per_epoch
    start = 0
    while start < total:
        end = min((start // period + 1) * period, total)
        stop = min(start + _LONGEST, end)
        yield start, stop, stop == end
        start = stop


class _Head:
    """One head on its way; the methods are called for all of them after every dispatch."""

    def __init__(self, program: training.Program, config: TrainConfig, run: HeadRun) -> None:
        self._program, self._config, self._run = program, config, run
        mask = jax.tree.map(lambda _: np.ones((), bool), run.params)
        state = training.init_state(program, run.params, {}, mask)
        self.now: Snapshot = resume.first_snapshot(state, mask, run.seed)
        self._judge = selection.Judge(program.task.headline, None)
        self._lines: list[dict[str, Any]] = []
        self._failed: str | None = None

    def count(self, totals: training.Totals, step: int) -> None:
        """Count what a dispatch returned."""
        if not math.isfinite(totals.loss):
            self._failed = self._failed or f"the loss is {float(totals.loss)} by step {step}"
        if self._failed is None:
            self.now = self.now._replace(tally=self.now.tally.add(totals))

    def log(self, state: training.TrainState, step: int) -> None:
        """Validate, and note a line of metrics."""
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
        if not finite:
            self._failed = self._failed or f"weights are not finite by step {step}"
        if self._failed is not None:
            return
        now, task = self.now._replace(state=state), self._program.task
        line = {
            "step": step,
            "epoch": step / self._program.steps_per_epoch,
            "loss": now.tally.loss / now.tally.examples,
        }
        measured = measured_if_any(task, now.tally.arrays)
        line |= {name: float(each.value) for name, each in measured.items()}
        if to_steps(self._config.validate_every, self._program.steps_per_epoch):
            line["validation"] = self._run.validate(training.selected(state)[0])
            judged = self._config, self._judge, now, step, line["validation"]
            now = selection.validated(*judged)
        self._lines.append(line)
        self.now = now._replace(tally=now.tally.next_line(step))

    def fit(self, seconds: float) -> HeadFit:
        """Return what became of it; it took so many seconds of those of all."""
        steps = self._program.total_steps
        if self._failed is None:
            rate = steps * self._program.batch_size / max(seconds, 1e-9)
            try:
                ended = (self._config, self._judge, self.now, steps, seconds, rate)
                return HeadFit(selection.outcome(*ended), self._lines, None)
            except NonFiniteLossError as error:
                self._failed = str(error)
        return HeadFit(None, self._lines, self._failed)


class _Feed:
    """The examples of all heads, one copy of those that they share, and the step that takes them.

    Splits lie one after the other, and steps choose by their place in all of them.
    """

    def __init__(self, program: training.Program, runs: Sequence[HeadRun]) -> None:
        splits = list({id(run.split): run.split for run in runs}.values())
        places = {id(split): place for place, split in enumerate(splits)}
        own = [(run.seed, places[id(run.split)]) for run in runs]
        self._program, self._own = program, own[:1] if len(set(own)) == 1 else own
        self._examples = len(splits[0])
        arrays = [dict(split.arrays) for split in splits]
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *arrays)
        self._data = parallel.replicate(joined, program.devices)
        self.compiled = _compiled(program, len(self._own) == 1)

    def arguments(self, start: int, stop: int) -> tuple[Any, Any]:
        """Return (data, indices (D, S, B / D) or (D, R, S, B / D)) of steps start ... stop - 1."""
        batch, devices = self._program.batch_size, self._program.devices
        order = {
            seed: batch_indices(self._examples, batch, seed, start, stop)
            for seed in dict(self._own)
        }
        chosen = [order[seed] + np.int32(place * self._examples) for seed, place in self._own]
        micro = self._program.accumulate
        if len(chosen) == 1:
            return self._data, parallel.shard(chosen[0], devices, 1, micro)
        return self._data, parallel.shard(np.stack(chosen), devices, 2, micro)


@lru_cache(maxsize=16)
def _compiled(program: training.Program, one_order: bool) -> Any:
    """Return the parallel form of `train_steps` of many heads; the states' buffers are donated."""
    axes = (0, None, 0, None, None if one_order else 0)
    steps = jax.vmap(partial(training.train_steps, program), in_axes=axes)
    in_axes = (None, None, None, None, 0)
    return parallel.parallel(steps, in_axes=in_axes, devices=program.devices, donate=(0,))


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _check_alike(runs: Sequence[HeadRun]) -> None:
    shapes = {shapes_of(run) for run in runs}
    if len(shapes) != 1:
        raise InputError(
            f"{len(runs)} heads of {len(shapes)} different shapes of weights and examples; give "
            "at least one, and those of one shape together"
        )


def shapes_of(run: HeadRun) -> str:
    """Return the shapes of a head's weights and examples, which those trained together share."""
    return str(jax.tree.map(np.shape, (run.params, dict(run.split.arrays))))
