"""The best span of a text by scores of beginnings and ends (Devlin et al. 2019, section 4.2)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Spans(NamedTuple):
    """The best span of every row, (B,).

    Attributes:
        first: int32, its first token.
        last: int32, its last token.
        score: float32, the sum of both scores; -inf where no span is allowed.
    """

    first: Array
    last: Array
    score: Array


def best_spans(
    outputs: Array, may_begin: Array, may_end: Array, *, candidates: int, longest: int
) -> Spans:
    """Return the best spans.

    Args:
        outputs: scores (B, L, 2) of beginnings and of ends; such that are no numbers are the worst.
        may_begin: where a span may begin, bool (B, L).
        may_end: where one may end, bool (B, L).
        candidates: beginnings and ends that are paired, the best of each.
        longest: tokens of a span at most.
    """
    count = min(candidates, outputs.shape[1])
    numbers = jnp.where(jnp.isnan(outputs), -jnp.inf, outputs)
    begin, first = jax.lax.top_k(jnp.where(may_begin, numbers[..., 0], -jnp.inf), count)
    end, last = jax.lax.top_k(jnp.where(may_end, numbers[..., 1], -jnp.inf), count)
    size = last[:, None, :] - first[:, :, None] + 1
    scores = begin[:, :, None] + end[:, None, :]
    scores = jnp.where((size >= 1) & (size <= longest), scores, -jnp.inf)
    flat = scores.reshape(len(scores), -1)
    best = flat.argmax(1)
    row = jnp.arange(len(flat))
    return Spans(first[row, best // count], last[row, best % count], flat.max(1))
