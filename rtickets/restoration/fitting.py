"""Fitting a network to one picture: training of the weights that a mask leaves, with a history.

It is not the loop of `rtickets.training`, which goes through examples by epochs, validates on
others, and keeps weights. Here the one example is all there is; what is kept is the mean of the
*pictures* of all steps, a run that jumps away goes back with half the learning rate, and whoever
watches its history ends it. What both have in common they share: the task's loss and measures,
masks, the network, checkpoints and being asked to stop.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.masks import Mask
from rtickets.restoration.fit_lanes import (
    Lane,
    chosen,
    lane_of,
    means,
    points,
    steps_of_the_last,
)
from rtickets.restoration.fit_steps import State, programs, stacked, start
from rtickets.restoration.fits import FitConfig, Fitted, Watch
from rtickets.restoration.generators import Painter
from rtickets.restoration.problem import Problem
from rtickets.restoration.resuming import Keeper, keeping


def fit(
    painter: Painter,
    mask: Mask,
    problem: Problem,
    config: FitConfig,
    seed: int = 0,
    watch: Watch | None = None,
    folder: Path | None = None,
) -> Fitted:
    """Train the weights that a mask leaves.

    At a point of the history whose loss is not finite or more than thrice the one before, or that
    of a picture of one colour after the one before showed more, the run has diverged or collapsed,
    and goes back to the point before with half the learning rate.

    Args:
        watch: is shown every point, those before a kill once more.
        folder: where checkpoints are kept, from which a run that was killed goes on to end
            bit-equal; None keeps none.

    Raises:
        NonFiniteLossError: if the loss is not finite before any step.
        Preempted: if the process was asked to stop.
    """
    return fit_together([painter], [mask], [problem], config, [seed], [watch], folder)[0]


def fit_together(
    painters: Sequence[Painter],
    masks_of: Sequence[Mask],
    problems: Sequence[Problem],
    config: FitConfig,
    seeds: Sequence[int],
    watches: Sequence[Watch | None] | None = None,
    folder: Path | None = None,
) -> list[Fitted]:
    """Do several fits of equal networks to equally large pictures at once, under `vmap`.

    Each goes back and ends by itself, as `fit` says. On an accelerator that is far faster than one
    after the other; on a CPU it is slower.

    Raises:
        InputError: if the networks, the operators or the sizes differ.
    """
    _check_alike(painters, problems)
    watches = [None] * len(painters) if watches is None else watches
    run = _Run(painters, masks_of, problems, config, seeds, watches)
    with keeping(folder, config.checkpoint_every, config.steps) as keeper:
        now = run.begun(keeper)
        while steps := steps_of_the_last(now.lanes, config):
            now = run.advanced(now, steps)
            ended = not steps_of_the_last(now.lanes, config)
            done = min(lane.history[-1].step for lane in now.lanes)
            values = {"lanes": [lane._asdict() for lane in now.lanes]}
            keeper.pause(done, now.state, values, done=ended)
    return run.ended(now)


def _check_alike(painters: Sequence[Painter], problems: Sequence[Problem]) -> None:
    kinds = {
        (painter.model, problem.task, problem.shape)
        for painter, problem in zip(painters, problems, strict=True)
    }
    if len(kinds) != 1:
        raise InputError(
            f"{len(kinds)} kinds of networks, operators and sizes in {len(problems)} pictures; fit "
            "those together that have the same"
        )


class _Now(NamedTuple):
    state: State
    lanes: list[Lane]


class _Run:
    """Fits beside each other; `fit_together` drives them."""

    def __init__(
        self,
        painters: Sequence[Painter],
        masks_of: Sequence[Mask],
        problems: Sequence[Problem],
        config: FitConfig,
        seeds: Sequence[int],
        watches: Sequence[Watch | None],
    ) -> None:
        """Put what is data beside each other."""
        self.config, self.seeds, self.watches = config, seeds, watches
        self.task = problems[0].task
        both = list(zip(painters, problems, strict=True))
        self.batch = stacked([problem.painted_from(painter.noise) for painter, problem in both])
        pairs = list(zip(masks_of, painters, strict=True))
        self.mask = stacked([_whole(mask, painter) for mask, painter in pairs])
        self.first = stacked(
            [start(masks.apply(mask, painter.params), problems[0].shape) for mask, painter in pairs]
        )
        self.decay = jnp.full(len(painters), config.average)
        self.flat = [problem.flat_loss for problem in problems]
        self.step, self.look = programs(
            painters[0].model, self.task, config.jitter, config.temperature, len(painters)
        )

    def begun(self, keeper: Keeper) -> _Now:
        """Return where the run begins, or goes on after it was killed."""
        if (kept := keeper.restored(self.first)) is not None:
            lanes = [lane_of(values) for values in kept[1]["lanes"]]
            for lane, watch in zip(lanes, self.watches, strict=True):
                if watch is not None:
                    for point in lane.history[1:]:
                        watch(point)
            return _Now(kept[0], lanes)
        found = points(self.look, self.first, self.batch, self.task, self.config.average)
        if not all(math.isfinite(point.loss) for point in found):
            raise NonFiniteLossError("the first picture of the network is not finite")
        return _Now(self.first, [Lane((point,), self.config.learning_rate) for point in found])

    def advanced(self, now: _Now, steps: int) -> _Now:
        """Take steps; fits whose next point is not that many steps away stay where they are."""
        rate = jnp.asarray([lane.rate for lane in now.lanes], jnp.float32)
        keys = jnp.stack([lane.key(seed) for lane, seed in zip(now.lanes, self.seeds, strict=True)])
        state = now.state
        for _ in range(steps):
            state = self.step(state, self.mask, self.batch, keys, rate, self.decay)
        found = points(self.look, state, self.batch, self.task, self.config.average)
        lanes = [
            lane.moved(point, watch, flat) if lane.next_steps(self.config) == steps else lane
            for lane, point, watch, flat in zip(
                now.lanes, found, self.watches, self.flat, strict=True
            )
        ]
        ahead = [len(a.history) > len(b.history) for a, b in zip(lanes, now.lanes, strict=True)]
        return _Now(chosen(ahead, state, now.state), lanes)

    def ended(self, now: _Now) -> list[Fitted]:
        """Return what came of every fit."""
        state = now.state
        pictures, _, _ = self.look(state.params, self.batch, state.average)
        averages = np.asarray(means(state, self.config.average))
        params, found = jax.device_get(state.params), []
        for index, lane in enumerate(now.lanes):
            own = jax.tree.map(lambda leaf, index=index: leaf[index], params)
            picture = np.asarray(pictures[index, 0])
            mean = averages[index, 0] if lane.history[-1].step else picture
            found.append(
                Fitted(lane.history, own, picture, mean, lane.backs, lane.stopped or "steps")
            )
        return found


def _whole(mask: Mask, painter: Painter) -> Any:
    return jax.tree.map(lambda keep, leaf: jnp.broadcast_to(keep, leaf.shape), mask, painter.params)
