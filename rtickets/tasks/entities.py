"""Entities among the words of a text, by tags that say where each begins and goes on.

Tags are numbers: 0 is `O`, outside; 1 + 2k is `B` of kind k, 2 + 2k is `I` of it. An entity goes on
with an `I` of the kind of the word before it. It begins with a `B`, and, as conlleval (Tjong Kim
Sang and De Meulder 2003) has it, with an `I` that goes on with nothing; where the scheme is strict,
such an `I` is of no entity. It is right if both ends and the kind are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

OUTSIDE = 0


class Counts(NamedTuple):
    """Numbers of entities in every text, int32 (B,).

    Attributes:
        true: those that are there.
        answered: those that are answered.
        right: those that are both.
    """

    true: Array
    answered: Array
    right: Array


def counted(answers: Array, true: Array, strict: bool) -> Counts:
    """Return how many entities there are, are answered and are right.

    Args:
        answers: tags (B, L).
        true: likewise, negative at tokens that do not count, which are skipped.
        strict: whether `I` that goes on with nothing is of no entity.
    """
    there = true >= 0
    order = jnp.argsort(~there, axis=1, stable=True)  # what counts, one after the other
    there, true, answers = (jnp.take_along_axis(each, order, 1) for each in (there, true, answers))
    true, answers = (jnp.where(there, each, OUTSIDE) for each in (true, answers))
    begins, ends = _spans(true, strict)
    begun, ended = _spans(answers, strict)
    same = begins & begun & (ends == ended) & (_kind(true) == _kind(answers))
    return Counts(*(each.sum(1, dtype=jnp.int32) for each in (begins, begun, same)))


def _kind(tags: Array) -> Array:
    return (tags - 1) // 2


def _spans(tags: Array, strict: bool) -> tuple[Array, Array]:
    """Return where entities begin, bool (B, L), and of every place where one there would end."""
    first = (tags > OUTSIDE) & (tags % 2 == 1)
    inside = (tags > OUTSIDE) & ~first
    before = jnp.pad(tags[:, :-1], ((0, 0), (1, 0)), constant_values=OUTSIDE)
    goes_on = inside & (before > OUTSIDE) & (_kind(before) == _kind(tags))
    begins = first if strict else (tags > OUTSIDE) & ~goes_on
    length = tags.shape[1]
    breaks = jnp.where(goes_on, length, jnp.arange(length))
    following = jnp.pad(breaks[:, 1:], ((0, 0), (0, 1)), constant_values=length)
    return begins, jax.lax.cummin(following, axis=1, reverse=True)
