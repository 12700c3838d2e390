"""Fitting a network to one picture: training of the weights that a mask leaves, with a history."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets import masks, models
from rtickets.errors import NonFiniteLossError
from rtickets.masks import Mask, Params
from rtickets.restoration.generators import Painter
from rtickets.restoration.problem import Problem
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks.restoration import NOISE, Restoration

_WORSE = 3.0  # times the loss of the point before: the run has jumped away
_ENOUGH = 10  # goes back


@dataclass(frozen=True, config=STRICT)
class FitConfig:
    """Training on one picture, by Adam.

    Attributes:
        steps: how many.
        learning_rate: halved whenever the run goes back.
        every: steps between points of the history.
        jitter: standard deviation of what is added to the network's noise, anew in every step.
        temperature: standard deviation of what is added to kernels after every step, in learning
            rates; 0.5 with a jitter of 1/30 is SGLD as published (Cheng et al. 2019).
        average: of the pictures of all steps the exponential mean with this decay is watched.
    """

    steps: Positive = 2500
    learning_rate: float = Field(default=1e-2, gt=0)
    every: Positive = 25
    jitter: float = Field(default=0.0, ge=0)
    temperature: float = Field(default=0.0, ge=0)
    average: float = Field(default=0.99, ge=0, lt=1)


SGLD = FitConfig(jitter=1 / 30, temperature=0.5)


class Point(NamedTuple):
    """What was seen at a point of a history.

    Attributes:
        step: steps that were taken.
        loss: the mean squared error to what was observed, of the picture of this step.
        psnr: PSNR to the clean picture in dB, None where that is unknown.
        ssim: structural similarity likewise.
        psnr_average: PSNR of the exponential mean of pictures.
        loss_average: its loss.
    """

    step: int
    loss: float
    psnr: float | None
    ssim: float | None
    psnr_average: float | None
    loss_average: float


class State(NamedTuple):
    """What a step changes: weights, what Adam remembers, the mean of pictures, the step."""

    params: Params
    memory: Any
    average: Array
    step: Array


class Fitted(NamedTuple):
    """What came of a training.

    Attributes:
        history: points, the first before any step.
        params: weights in the end.
        picture: what they paint (H, W, C).
        average: the exponential mean of the pictures of all steps.
        backs: steps at which the run had jumped away and went back.
        stopped: why it ended: after all 'steps', because it was told to ('asked'), or 'diverged'.
    """

    history: tuple[Point, ...]
    params: Params
    picture: np.ndarray
    average: np.ndarray
    backs: tuple[int, ...]
    stopped: Literal["steps", "asked", "diverged"]


Watch = Callable[[Point], bool]
"""Is shown every point, and returns whether to stop."""


def paint(model: Any, params: Params, noise: Array, shape: tuple[int, ...]) -> Array:
    """Return what a network paints (B, H, W, C), cut to a shape (H, W)."""
    return models.logits(model, params, {}, noise)[:, : shape[0], : shape[1]]


def fit(
    painter: Painter,
    mask: Mask,
    problem: Problem,
    config: FitConfig,
    seed: int = 0,
    watch: Watch | None = None,
) -> Fitted:
    """Train the weights that a mask leaves.

    At a point of the history whose loss is not finite, or more than thrice the one before and the
    best constant picture's, the run goes back to the point before, with half the learning rate.

    Raises:
        NonFiniteLossError: if the loss is not finite before any step.
    """
    batch = problem.painted_from(painter.noise)
    step, look = _programs(painter.model, problem.task, config.jitter, config.temperature)
    key, rate, backs = jax.random.key(seed), config.learning_rate, list[int]()
    mask = jax.tree.map(lambda keep, leaf: jnp.broadcast_to(keep, leaf.shape), mask, painter.params)
    good = _start(painter, mask, problem)
    history = [_point(look, good, batch, problem.task, config.average)]
    if not math.isfinite(history[0].loss):
        raise NonFiniteLossError("the first picture of the network is not finite")
    stopped: Literal["steps", "asked", "diverged"] = "steps"
    while history[-1].step < config.steps:
        state = good
        for _ in range(min(config.every, config.steps - history[-1].step)):
            state = step(state, mask, batch, key, rate, config.average)
        point = _point(look, state, batch, problem.task, config.average)
        if _jumped(point, history):
            backs.append(point.step)
            rate, key = rate / 2, jax.random.fold_in(key, len(backs))
            if len(backs) > _ENOUGH:
                stopped = "diverged"
                break
            continue
        good = state
        history.append(point)
        if watch is not None and watch(point):
            stopped = "asked"
            break
    picture, _, _ = look(good.params, batch, good.average)
    share = 1 - config.average ** max(int(good.step), 1)
    mean = good.average / share if int(good.step) else picture
    return Fitted(
        tuple(history), jax.device_get(good.params), np.asarray(picture[0]), np.asarray(mean[0]),
        tuple(backs), stopped,
    )  # fmt: skip


def _jumped(point: Point, history: list[Point]) -> bool:
    if not math.isfinite(point.loss):
        return True
    return point.loss > _WORSE * history[-1].loss and point.loss > history[0].loss


def _start(painter: Painter, mask: Mask, problem: Problem) -> State:
    params = jax.tree.map(jnp.asarray, masks.apply(mask, painter.params))
    height, width, channels = problem.shape
    blank = jnp.zeros((1, height, width, channels))
    return State(params, optax.scale_by_adam().init(params), blank, jnp.int32(0))


def _point(look: Any, state: State, batch: Any, task: Restoration, decay: float) -> Point:
    step = int(state.step)
    mean = state.average / (1 - decay**step) if step else state.average
    _, own, of_mean = look(state.params, batch, mean)
    values = {name: one.value for name, one in task.measures(jax.device_get(own)).items()}
    means = {name: one.value for name, one in task.measures(jax.device_get(of_mean)).items()}
    means = means if step else values
    return Point(
        step, 10 ** (-values["psnr_observed"] / 10), values.get("psnr"), values.get("ssim"),
        means.get("psnr"), 10 ** (-means["psnr_observed"] / 10),
    )  # fmt: skip


@lru_cache(maxsize=16)
def _programs(model: Any, task: Restoration, jitter: float, temperature: float) -> tuple[Any, Any]:
    """Return a compiled step and a compiled look at a point; a loop of steps is slow on CPU."""
    adam = optax.scale_by_adam()

    def step(state: State, mask: Any, batch: Any, key: Any, rate: Any, decay: Any) -> State:
        keys = jax.random.split(jax.random.fold_in(key, state.step))
        noise = batch[NOISE]
        if jitter:
            noise = noise + jitter * jax.random.normal(keys[0], noise.shape)

        def loss(params: Params) -> tuple[Array, Array]:
            picture = paint(model, params, noise, state.average.shape[1:3])
            return task.loss(picture, batch).mean(), picture

        slope, picture = jax.grad(loss, has_aux=True)(state.params)
        updates, memory = adam.update(masks.apply(mask, slope), state.memory)
        params = jax.tree.map(lambda leaf, update: leaf - rate * update, state.params, updates)
        if temperature:
            params = _shaken(params, keys[1], temperature * rate)
        average = decay * state.average + (1 - decay) * picture
        return State(masks.apply(mask, params), memory, average, state.step + 1)

    def look(params: Params, batch: Any, average: Array) -> tuple[Array, Any, Any]:
        picture = paint(model, params, batch[NOISE], average.shape[1:3])
        return picture, task.sums(picture, batch), task.sums(average, batch)

    return jax.jit(step), jax.jit(look)


def _shaken(params: Params, key: Array, size: Any) -> Params:
    """Return weights with Gaussian noise on kernels; one draw for all compiles far faster."""
    leaves, tree = jax.tree_util.tree_flatten(params)
    noise = size * jax.random.normal(key, (sum(leaf.size for leaf in leaves if leaf.ndim > 1),))
    moved, at = [], 0
    for leaf in leaves:
        if leaf.ndim > 1:
            moved.append(leaf + noise[at : at + leaf.size].reshape(leaf.shape))
            at += leaf.size
        else:
            moved.append(leaf)
    return jax.tree_util.tree_unflatten(tree, moved)
