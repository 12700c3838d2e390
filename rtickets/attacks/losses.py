"""What attacks maximise: per-example losses of logits.

Every loss maps logits (B, classes), labels (B,) and the classes aimed at (B,) to float32 (B,). An
attack without a target aims at the label itself, and the loss then pushes away from it.
"""

from collections.abc import Callable
from typing import Literal, get_args

import jax.numpy as jnp
import optax
from jax import Array

from rtickets.errors import InputError

Loss = Callable[[Array, Array, Array], Array]
LossName = Literal["ce", "margin", "dlr"]
_MIN_CLASSES = {"dlr": 3, "dlr_targeted": 4}
_TINY = 1e-12  # keeps the quotient of equal logits finite


def cross_entropy(logits: Array, y: Array, target: Array) -> Array:
    """Return the cross-entropy of the label; with a target, minus that of the target."""
    own = optax.softmax_cross_entropy_with_integer_labels(logits, y)
    aimed = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    return jnp.where(target == y, own, -aimed)


def margin(logits: Array, y: Array, target: Array) -> Array:
    """Return how far the target's logit, or the largest of another class, exceeds the label's.

    Without a target it is positive exactly where the label has lost (Carlini & Wagner 2017).
    """
    own = _take(logits, y)
    rival = _take(logits, jnp.where(target == y, _rival(logits, y), target))
    return rival - own


def dlr(logits: Array, y: Array, target: Array) -> Array:
    """Return the difference of logits ratio (Croce & Hein 2020, eq. 6 and 7).

    The margin is divided by a difference of logits, so that the scale of the logits, which can
    make a cross-entropy vanish in floating point, does not matter.
    """
    ordered = jnp.sort(logits, axis=-1)
    aimed = target != y
    fourth = ordered[:, -4] if logits.shape[-1] > 3 else ordered[:, -3]
    low = jnp.where(aimed, (ordered[:, -3] + fourth) / 2, ordered[:, -3])
    return margin(logits, y, target) / (ordered[:, -1] - low + _TINY)


def make_loss(name: LossName, num_classes: int, *, targeted: bool = False) -> Loss:
    """Return a loss by its name, or the margin instead of 'dlr' where `why_margin` says so."""
    losses = {"ce": cross_entropy, "margin": margin, "dlr": dlr}
    if not isinstance(name, str) or name not in losses:
        raise InputError(f"loss={name!r} is unknown; choose one of {', '.join(get_args(LossName))}")
    return margin if why_margin(name, num_classes, targeted=targeted) else losses[name]


def why_margin(name: str, num_classes: int, *, targeted: bool = False) -> str | None:
    """Say why a loss is replaced by the margin for so many classes, or None where it is not."""
    needed = _MIN_CLASSES.get(f"{name}_targeted" if targeted else name, 0)
    if num_classes >= needed:
        return None
    kind = "the targeted DLR loss" if targeted else "the DLR loss"
    return f"{kind} needs {needed} classes, there are {num_classes}: the margin is used"


def _take(logits: Array, chosen: Array) -> Array:
    return jnp.take_along_axis(logits, chosen[:, None], 1)[:, 0]


def _rival(logits: Array, y: Array) -> Array:
    """Return the class other than the label with the largest logit, (B,)."""
    others = jnp.where(jnp.arange(logits.shape[-1]) == y[:, None], -jnp.inf, logits)
    return others.argmax(-1)
