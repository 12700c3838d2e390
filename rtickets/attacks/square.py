"""The Square attack (Andriushchenko et al. 2020): random search without gradients."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.attacks.losses import cross_entropy, margin
from rtickets.attacks.models import answers
from rtickets.attacks.projections import Norm, check_norm, per_example, project, unit_direction
from rtickets.attacks.search import Job, LogitsFn, choose, is_fooled
from rtickets.attacks.settings import Repeated
from rtickets.attacks.square_shapes import (
    SCHEDULED,
    Window,
    bump,
    bumps,
    level_of,
    place,
    window_sizes,
)
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT

_LOSSES = {"margin": margin, "ce": cross_entropy}
_TILES = 5  # bumps along the shorter side of the first perturbation


class SquareState(NamedTuple):
    """Where a search is; every field has a leading axis of examples.

    Attributes:
        x_adv: the image with the largest loss; the first that fooled the model is kept.
        fooled: whether it is misclassified.
        loss: its loss.
        broken: never; there are no gradients.
    """

    x_adv: Array
    fooled: Array
    loss: Array
    broken: Array


@dataclass(frozen=True)
class Square:
    """The search of Andriushchenko et al. 2020, Algorithm 1; for 'l1' that of Croce & Hein 2021.

    A proposal changes one square window of the best image, or two, and is taken if it has a larger
    loss or fools the model, which ends the search. Windows shrink by the published schedule.
    Every example draws its own windows (the authors' code shares them between the examples of a
    batch).

    Attributes:
        norm: 'linf', 'l2' or 'l1'.
        num_queries: number of evaluations of the model.
        p_init: share of an image's pixels in the first windows.
        loss: 'margin' (published) or 'ce'.
        rescale: fit the schedule of windows, made for 10,000 queries, to their number; otherwise
            fewer queries end with larger windows.
    """

    norm: Norm
    num_queries: int
    p_init: float = 0.8
    loss: Literal["margin", "ce"] = "margin"
    rescale: bool = True

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if self.num_queries < 1:
            raise InputError(f"num_queries={self.num_queries} must be at least 1")
        if not 0 < self.p_init <= 1:
            raise InputError(f"p_init={self.p_init} must be a share of the pixels in (0, 1]")
        if self.loss not in _LOSSES:
            raise InputError(f"loss={self.loss!r} is unknown; choose one of {', '.join(_LOSSES)}")

    @property
    def evaluations(self) -> int:
        """All of them queries; the first is of the start."""
        return self.num_queries

    def start(self, job: Job) -> SquareState:
        """Return the state at random stripes ('linf') or at tiles of bumps."""
        keys = jax.vmap(jax.random.fold_in)(job.key, jnp.zeros_like(job.y))
        x_adv = (_stripes if self.norm == "linf" else _tiles)(job, keys, self.norm)
        loss = jnp.full(job.y.shape, -jnp.inf, jnp.float32)
        no = jnp.zeros(job.y.shape, bool)
        return SquareState(x_adv, no, loss, no)

    def step(self, logits_fn: LogitsFn, job: Job, state: SquareState, count: Array) -> SquareState:
        """Evaluate one proposal and take it if it is better; the first is the start itself."""
        key = jax.vmap(jax.random.fold_in)(job.key, count)
        candidate = choose(count == 0, state.x_adv, self.propose(job, state.x_adv, key, count))
        logits = answers(logits_fn, candidate)
        fooled, loss = is_fooled(logits, job.y), _LOSSES[self.loss](logits, job.y, job.target)
        better = ~state.fooled & (fooled | (loss > state.loss))
        return choose(better, SquareState(candidate, fooled, loss, state.broken), state)

    def propose(self, job: Job, x_adv: Array, key: Array, count: Array) -> Array:
        """Return images of ball and box that differ from the best ones in random windows.

        Args:
            key: keys (B,) of this step.
            count: int32 (B,), evaluations before this one.
        """
        _, height, width, channels = x_adv.shape
        sizes = window_sizes(height, width, self.p_init, odd=self.norm != "linf")
        level = level_of(count - 1, self.num_queries if self.rescale else SCHEDULED)
        size = jnp.asarray(sizes)[level]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (5 + channels,), jnp.float32))(key)
        signs = _sign(draws[:, 5:])[:, None, None]
        first = place(draws[:, :2], size, height, width)
        if self.norm == "linf":
            pushed = job.x + per_example(job.eps, job.x) * signs
            return jnp.where(first.inside(), jnp.clip(pushed, 0, 1), x_adv)
        second = place(draws[:, 2:4], size, height, width)
        flat = (draws[:, 4] < 0.5).astype(jnp.int32)
        picture = signs * bumps(first, level, flat, sizes, self.norm)
        moved = _move_mass(x_adv - job.x, job.eps, first, second, picture, self.norm)
        return _on_the_ball(job, moved, self.norm)


def _sign(uniform: Array) -> Array:
    return jnp.where(uniform < 0.5, -1.0, 1.0)


def _stripes(job: Job, keys: Array, norm: Norm) -> Array:
    """Return vertical stripes, one pixel wide, of + or - eps by channel."""
    _, _, width, channels = job.x.shape
    draws = jax.vmap(lambda key: jax.random.uniform(key, (1, width, channels), jnp.float32))(keys)
    return jnp.clip(job.x + per_example(job.eps, job.x) * _sign(draws), 0, 1)


def _tiles(job: Job, keys: Array, norm: Norm) -> Array:
    """Return tiles of bumps with random signs by channel, each lying or standing at random."""
    _, height, width, channels = job.x.shape
    size = max(min(height, width) // _TILES, 1)
    (rows, row_tiles), (columns, column_tiles) = _tiling(height, size), _tiling(width, size)
    shape = row_tiles.max() + 1, column_tiles.max() + 1, 1 + channels
    draws = _sign(jax.vmap(lambda key: jax.random.uniform(key, shape, jnp.float32))(keys))
    draws = draws[:, row_tiles][:, :, column_tiles]  # of every pixel, (B, H, W, 1 + C)
    picture = np.pad(bump(size, norm), (0, 1))  # zero in the margins
    flat, upright = (side[rows][:, columns, None] for side in (picture, picture.T))
    delta = jnp.where(draws[..., :1] < 0, flat, upright) * draws[..., 1:]
    return _on_the_ball(job, delta, norm)


def _tiling(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions within tiles, `size` in the margins, and numbers of tiles, (length,) each.

    The tiles lie in the middle of the length.
    """
    tiles = length // size
    offset = np.arange(length) - (length - tiles * size) // 2
    margin = (offset < 0) | (offset >= tiles * size)
    return np.where(margin, size, offset % size), np.clip(offset // size, 0, tiles - 1)


def _move_mass(
    delta: Array, eps: Array, first: Window, second: Window, picture: Array, norm: Norm
) -> Array:
    """Return perturbations whose second window is emptied into the first (Algorithm 3).

    The first window gets the picture on top of what it held, scaled so that by channel it has the
    mass of both windows and a share of what the perturbation lacks of the radius.
    """
    exponent = 2 if norm == "l2" else 1

    def mass(values: Array) -> Array:
        return jnp.sum(jnp.abs(values) ** exponent, (1, 2), keepdims=True)

    def unit(values: Array) -> Array:
        size = mass(values) ** (1 / exponent)
        return values / jnp.where(size > 0, size, 1)

    into, out_of = first.inside(), second.inside()
    channels = delta.shape[-1]
    lacking = per_example(eps, delta) ** exponent - mass(delta).sum(-1, keepdims=True)
    share = jnp.maximum(lacking, 0) / channels
    available = mass(jnp.where(into | out_of, delta, 0)) + share
    if norm == "l1":  # more than there is: the projection makes it sparse
        available = available * channels
    fresh = unit(picture + unit(jnp.where(into, delta, 0))) * available ** (1 / exponent)
    return jnp.where(into, fresh, jnp.where(out_of, 0, delta))


def _on_the_ball(job: Job, delta: Array, norm: Norm) -> Array:
    """Return images moved by delta, scaled to the radius for 'l2' and projected for 'l1'."""
    if norm == "l1":
        return project(job.x + delta, job.x, job.eps, "l1")
    return jnp.clip(job.x + per_example(job.eps, job.x) * unit_direction(delta, "l2"), 0, 1)


@settings(frozen=True, config=STRICT)
class SquareSettings(Repeated):
    """Random search, without gradients; `num_steps` are its queries.

    Attributes:
        rescale: fit the schedule of windows, made for 10,000 queries, to their number.
    """

    name: Literal["square"] = "square"
    rescale: bool = True
    usual_steps, plain, needs_images, black_box = 5000, True, True, True

    def search(self, norm: Norm, num_classes: int, samples: int) -> Square:
        """Return the search; it is not for random models."""
        return Square(norm, self.steps, rescale=self.rescale)

    def member_fields(self) -> dict[str, Any]:
        """Return how the schedule goes."""
        return {"rescale": self.rescale}

    def passes_per_step(self, classes: int) -> float:
        """Return one pass."""
        return 1.0
