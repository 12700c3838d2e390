"""Projected gradient descent (Madry et al. 2018)."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets.attacks.projections import (
    Norm,
    check_norm,
    per_example,
    project,
    uniform_in_ball,
    unit_direction,
)
from rtickets.errors import InputError

LogitsFn = Callable[[Array], Array]


def example_keys(key: Array, batch: int) -> Array:
    """Return one PRNG key per example.

    Args:
        key: one key, from which the keys of the positions 0, 1, ... are derived, or keys (B,) that
            the caller tied to the examples so that results do not depend on their positions.
        batch: B.

    Returns:
        Keys (B,).

    Raises:
        InputError: if there are neither 1 nor B keys.
    """
    if key.ndim == 0:
        return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(batch))
    if key.shape != (batch,):
        raise InputError(f"key has shape {key.shape}; expected one key or one per image ({batch},)")
    return key


def pgd(
    logits_fn: LogitsFn,
    x: Array,
    y: Array,
    key: Array,
    *,
    eps: Array | float,
    step_size: Array | float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    unroll: bool | None = None,
) -> Array:
    """Search the ball around every image for the largest cross-entropy.

    Gradients are taken with respect to the images only and summed over examples, so that an
    example's result depends neither on the rest of its batch nor on how the batch is split.

    Args:
        logits_fn: maps images (B, H, W, C) in [0, 1] to logits (B, classes); its result for one
            image must not depend on the others.
        x: images (B, H, W, C) in [0, 1].
        y: integer labels (B,).
        key: one typed PRNG key or one per example; read only with `random_start`.
        eps: radius in pixel units, scalar or (B,).
        step_size: length of a step in the same units, scalar or (B,).
        num_steps: number of gradient steps.
        norm: 'linf' or 'l2'.
        random_start: start from a uniform point of the ball instead of the image.
        unroll: unroll the loop. None means on CPU only, where XLA runs convolutions several times
            slower inside a loop; elsewhere a rolled loop compiles faster and runs as fast.

    Returns:
        float32 images (B, H, W, C) in the ball and in [0, 1]; `x` itself for eps = 0.

    Raises:
        InputError: for an unknown norm, negative num_steps or a wrong number of keys.
    """
    check_norm(norm)
    if num_steps < 0:
        raise InputError(f"num_steps={num_steps} must be at least 0")
    x = x.astype(jnp.float32)
    step = per_example(step_size, x)

    def loss(images: Array) -> Array:
        logits = logits_fn(images).astype(jnp.float32)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).sum()

    def body(_: int, x_adv: Array) -> Array:
        direction = unit_direction(jax.grad(loss)(x_adv), norm)
        return project(x_adv + step * direction, x, eps, norm)

    start = x
    if random_start:
        noise = uniform_in_ball(example_keys(key, x.shape[0]), x.shape[1:], eps, norm)
        start = project(x + noise, x, eps, norm)
    if unroll is None:
        unroll = jax.default_backend() == "cpu"
    if unroll:  # in Python: `fori_loop(unroll=True)` can leave a loop behind
        x_adv = start
        for i in range(num_steps):
            x_adv = body(i, x_adv)
    else:
        x_adv = jax.lax.fori_loop(0, num_steps, body, start)
    return jax.lax.stop_gradient(x_adv)
