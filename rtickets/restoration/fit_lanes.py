"""Where each of several fits beside each other is: its history, when it goes back and ends."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.restoration.fit_steps import State
from rtickets.restoration.fits import FitConfig, Point, Watch
from rtickets.tasks.restoration import Restoration

_WORSE = 3.0  # times the loss of the point before: the run has jumped away
_ENOUGH = 10  # goes back
_NOTHING = 0.98  # of the loss of the best picture of one colour
_SOMETHING = 0.9  # likewise: below it a picture shows something


class Lane(NamedTuple):
    """A fit, but for its arrays.

    Attributes:
        history: its points.
        rate: the learning rate.
        backs: see `Fitted`, as `stopped`; None while it goes on.
    """

    history: tuple[Point, ...]
    rate: float
    backs: tuple[int, ...] = ()
    stopped: Literal["steps", "asked", "diverged"] | None = None

    def next_steps(self, config: FitConfig) -> int:
        """Return how many steps it takes to its next point, 0 where it has ended."""
        left = config.steps - self.history[-1].step
        return 0 if self.stopped else min(config.every, left)

    def key(self, seed: int) -> Array:
        """Return its key, another one after every time it went back."""
        key = jax.random.key(seed)
        return jax.random.fold_in(key, len(self.backs)) if self.backs else key

    def moved(self, point: Point, watch: Watch | None, flat: float) -> "Lane":
        """Return it at its next point, or gone back to the one before; `flat` as in `jumped`."""
        if self.jumped(point, flat):
            backs = (*self.backs, point.step)
            stopped: Any = "diverged" if len(backs) > _ENOUGH else None
            return self._replace(rate=self.rate / 2, backs=backs, stopped=stopped)
        asked: Any = "asked" if watch is not None and watch(point) else None
        return self._replace(history=(*self.history, point), stopped=asked)

    def jumped(self, point: Point, flat: float) -> bool:
        """Return whether a point is far worse than the one before it, or shows nothing any more.

        Args:
            flat: the loss of the best picture of one colour.
        """
        before = self.history[-1].loss
        if not point.loss <= _WORSE * before:  # nor is it not a number
            return True
        return before < _SOMETHING * flat and shows_nothing(point.loss, flat)


def shows_nothing(loss: float, flat: float) -> bool:
    """Return whether a loss is no better than that of the best picture of one colour, `flat`."""
    return loss >= _NOTHING * flat


def lane_of(values: Any) -> Lane:
    """Return a fit as a checkpoint has it."""
    history = tuple(Point(*point) for point in values["history"])
    return Lane(history, values["rate"], tuple(values["backs"]), values["stopped"])


def steps_of_the_last(lanes: Sequence[Lane], config: FitConfig) -> int:
    """Return how many steps the fit takes next that is furthest behind, 0 where all have ended."""
    behind = sorted(lanes, key=lambda lane: lane.history[-1].step)
    return next((steps for lane in behind if (steps := lane.next_steps(config))), 0)


def chosen(moved: Sequence[bool], new: State, old: State) -> State:
    """Return the new state of the fits that have moved, the old one of the others."""
    if all(moved):
        return new
    where = jnp.asarray(moved)
    return jax.tree.map(
        lambda a, b: jnp.where(where.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old
    )


def means(state: State, decay: float) -> Array:
    """Return the exponential means of pictures, without the weight of the blank they began with."""
    share = 1 - decay ** np.maximum(np.asarray(state.step, np.float64), 1)
    return state.average / jnp.asarray(share, jnp.float32).reshape(-1, 1, 1, 1, 1)


def points(look: Any, state: State, batch: Any, task: Restoration, decay: float) -> list[Point]:
    """Return what is seen of every fit now."""
    _, own, of_mean = look(state.params, batch, means(state, decay))
    own, of_mean = jax.device_get((own, of_mean))
    found = []
    for index, step in enumerate(np.asarray(state.step).tolist()):
        painted, mean = (
            task.measures(jax.tree.map(lambda leaf, index=index: leaf[index], sums))
            for sums in (own, of_mean)
        )
        mean = mean if step else painted
        wanted = ((painted, "psnr"), (painted, "ssim"), (mean, "psnr"), (painted, "ssim_observed"))
        psnr, ssim, psnr_mean, ssim_observed = (
            values[name].value if name in values else None for values, name in wanted
        )
        losses = [10 ** (-values["psnr_observed"].value / 10) for values in (painted, mean)]
        found.append(Point(step, losses[0], psnr, ssim, psnr_mean, losses[1], ssim_observed))
    return found
