"""Whether a smaller network answers as the larger one does."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError
from rtickets.models.inputs import Inputs
from rtickets.tickets.compaction.network import examples_of

_ROUNDING = 1e-5  # of the largest output; sums of float32 in another order differ by less
_LARGER = 32  # pixels of a side, of the second size that networks of images are compared at


def difference(answers: Any, before: Any, after: Any, examples: Any) -> dict[str, float]:
    """Return how far answers are apart at most, and the largest of them.

    Raises:
        InputError: if it is more than rounding.
    """
    with jax.default_matmul_precision("highest"):  # a GPU may round factors of float32
        pairs = [
            jax.tree.leaves(jax.jit(partial(answers, model))(variables, examples))
            for model, variables in (before, after)
        ]
    apart = max(float(jnp.abs(a - b).max()) for a, b in zip(*pairs, strict=True))
    largest = max(float(jnp.abs(a).max()) for a in pairs[0])
    if not np.isfinite(largest):
        raise InputError(
            "the ticket itself answers noise with numbers that are not finite, so that no smaller "
            "network can be compared with it; look for such among its weights and statistics"
        )
    if not apart <= _ROUNDING * max(largest, 1e-30):
        raise InputError(
            f"the smaller network would answer differently, by {apart:.3g} where the largest "
            f"output is {largest:.3g}, for inputs {_sizes(examples)}: it decides on its layers by "
            "their numbers of features; let it go by those of the published network, see "
            "rtickets.models.widths"
        )
    return {"max_difference": apart, "largest_output": largest}


def _sizes(examples: Any) -> str:
    return ", ".join(str(leaf.shape[1:]) for leaf in jax.tree.leaves(examples))


def compare_larger(answers: Any, before: Any, after: Any, inputs: Inputs) -> None:
    """Compare answers for a larger image, of a network that takes such.

    Raises:
        InputError: as `difference`.
    """
    (entry, *others), (model, variables) = inputs, before
    if others or len(entry.shape) != 3:
        return
    height, width, channels = entry.shape
    shape = (height + _LARGER, width + _LARGER, channels)
    example = examples_of((entry._replace(shape=shape),), 1)
    try:
        jax.eval_shape(partial(answers, model), variables, example)
    except Exception:  # a network of one size alone says what it likes
        return
    difference(answers, before, after, example)
