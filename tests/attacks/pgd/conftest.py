"""Models on which what PGD finds is known."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

SHAPE = (4, 4, 1)
KEY = jax.random.key(3)
Y = jnp.array([0, 1, 0])


def linear(weights, x):
    return x.reshape(len(x), -1).astype(weights.dtype) @ weights


def model_of(num_classes=2, shape=SHAPE, dtype=jnp.float32):
    weights = jax.random.normal(jax.random.key(0), (int(np.prod(shape)), num_classes))
    return Partial(linear, weights.astype(dtype))


def grey(batch=3, shape=SHAPE):
    return 0.4 + 0.2 * jax.random.uniform(jax.random.key(9), (batch, *shape))


def radius(x_adv, x, norm):
    delta = np.abs(np.asarray(x_adv, np.float64) - np.asarray(x, np.float64)).reshape(len(x), -1)
    return {"linf": delta.max(-1), "l2": np.sqrt((delta**2).sum(-1)), "l1": delta.sum(-1)}[norm]
