"""Multiply-adds are counted in what is computed, loops as often as they go round."""

import jax
import jax.numpy as jnp

from rtickets.tickets.compaction.counting import multiply_adds

KERNEL = jnp.ones((4, 4))


def test_a_loop_counts_as_often_as_it_goes_round():
    function = lambda x: jax.lax.scan(lambda x, _: (x @ KERNEL, None), x, None, length=5)[0]  # noqa: E731
    assert multiply_adds(function, jnp.ones((3, 4))) == 5 * 3 * 4 * 4


def test_of_a_loop_that_ends_by_what_it_computes_a_round_counts():
    function = lambda x: jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ KERNEL, x)  # noqa: E731
    assert multiply_adds(function, jnp.ones((3, 4))) == 3 * 4 * 4
