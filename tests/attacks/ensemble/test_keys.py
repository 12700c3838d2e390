"""Ensembles take keys of every kind, also among a model's arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import Member, worst_case
from rtickets.attacks.inputs import usual_keys

WEIGHTS = jax.random.normal(jax.random.key(0), (16, 3))
X, Y = jax.random.uniform(jax.random.key(1), (6, 4, 4, 1)), jnp.arange(6) % 3
MEMBERS = (Member("apgd_ce", num_steps=2),)


def logits(weights, x):
    return x.reshape(len(x), -1) @ weights


def keyed(weights, key, x):
    return logits(weights, x) + 0.1 * jax.random.normal(key, (3,))


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg", "threefry2x32"])
def test_other_kinds_of_keys_stand_for_one_each(impl):
    keys = jax.random.split(jax.random.key(2, impl=impl), 6)
    found = jax.random.key_data(usual_keys(keys))
    assert len(np.unique(np.asarray(found), axis=0)) == 6
    if impl == "threefry2x32":
        np.testing.assert_array_equal(found, jax.random.key_data(keys))
    runs = [
        worst_case(Partial(logits, WEIGHTS), X, Y, keys, eps=0.1, members=MEMBERS).x_adv
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)


def test_a_key_among_the_arguments_of_a_model_tells_its_work(tmp_path):
    found = [
        worst_case(
            Partial(keyed, WEIGHTS, jax.random.key(3)), X, Y, jax.random.key(2), eps=0.1,
            members=MEMBERS, folder=tmp_path,
        ).x_adv
        for _ in range(2)
    ]  # fmt: skip
    np.testing.assert_array_equal(*found)
