"""Weights may lie in parts on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.tree_util import Partial

from rtickets.attacks import Member, worst_case

X, Y = jax.random.uniform(jax.random.key(1), (6, 4, 4, 1)), jnp.arange(6) % 3
WEIGHTS = jax.random.normal(jax.random.key(0), (16, 4))


def logits(weights, x):
    return x.reshape(len(x), -1) @ weights


def attacked(weights):
    member = Member("apgd_ce", num_steps=2)
    model = Partial(logits, weights)
    return worst_case(model, X, Y, jax.random.key(2), eps=0.1, members=(member,)).x_adv


def test_an_ensemble_takes_weights_that_are_split_over_devices():
    mesh = Mesh(np.array(jax.devices()[:2]), ("parts",))
    split = jax.device_put(WEIGHTS, NamedSharding(mesh, PartitionSpec(None, "parts")))
    assert not split.is_fully_replicated
    np.testing.assert_allclose(attacked(split), attacked(WEIGHTS), atol=1e-6)
