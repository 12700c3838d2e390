"""An ensemble of small attacks on a model of a few classes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from rtickets.attacks import (
    Member,
    worst_case,
)
from rtickets.platform import parallel

SHAPE, COUNT, EPS = (4, 4, 1), 24, 0.06
KEYS = jax.random.split(jax.random.key(6), COUNT)
PGD = Member("pgd", 4, step_size=0.02)
APGD = Member("apgd_ce", 6, restarts=2)
TARGETED = Member("apgd_t", 6, num_targets=3)
SQUARE = Member("square", 12)
traces = []


def forward(weights, x):
    traces.append(x.shape)
    first, second = weights
    return jnp.tanh((x.reshape(len(x), -1) - 0.5) @ first) @ second


def network(seed=0, classes=5):
    first, second = jax.random.split(jax.random.key(seed))
    return Partial(
        forward, (jax.random.normal(first, (16, 12)), jax.random.normal(second, (12, classes)))
    )


def subject(model=None):
    """Images and labels, a few of which the model gets wrong."""
    x = np.asarray(jax.random.uniform(jax.random.key(3), (COUNT, *SHAPE)))
    y = np.array((network() if model is None else model)(x).argmax(-1))
    y[[2, 9]] = (y[[2, 9]] + 1) % 2
    return x, y


def attack(members, model=None, eps=EPS, devices=1, batch_size=32, mapping="pmap", **options):
    x, y = subject(model)
    devices = parallel.local_devices(devices, mapping)
    return worst_case(
        network() if model is None else model, x, y, KEYS, eps=eps, members=members,
        batch_size=batch_size, devices=devices, **options,
    )  # fmt: skip


def of_member(index):
    return jax.vmap(lambda key: jax.random.fold_in(key, index))(KEYS)
