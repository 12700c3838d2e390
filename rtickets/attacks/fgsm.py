"""The one-step forms of projected gradient descent."""

import jax
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks.inputs import KeyLike
from rtickets.attacks.pgd import pgd
from rtickets.attacks.projections import Norm
from rtickets.attacks.search import LogitsFn


def fgsm(
    logits_fn: LogitsFn, x: ArrayLike, y: ArrayLike, *, eps: Array | float, norm: Norm = "linf"
) -> Array:
    """Take one step of the length of the radius (Goodfellow et al. 2015)."""
    return pgd(
        logits_fn, x, y, jax.random.key(0), eps=eps, step_size=eps, num_steps=1, norm=norm,
        random_start=False,
    )  # fmt: skip


def fgsm_rs(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    step_size: Array | float | None = None,
    norm: Norm = "linf",
) -> Array:
    """Take one step from a uniform point of the ball (Wong et al. 2020).

    `step_size` None is 1.25 eps, the published choice.
    """
    step = 1.25 * eps if step_size is None else step_size
    return pgd(logits_fn, x, y, key, eps=eps, step_size=step, num_steps=1, norm=norm)
