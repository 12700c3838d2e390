"""Models whose smoothed answers are known."""

import jax
import numpy as np
from jax.tree_util import Partial

KEY = jax.random.key(7)
SHAPE = (3, 3, 1)
WEIGHTS = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
WEIGHTS -= WEIGHTS.mean(0)  # so that a grey image lies on the boundary
NORMAL = WEIGHTS[:, 0] - WEIGHTS[:, 1]  # of the boundary between the two classes


def linear(weights, x):
    return x.reshape(len(x), -1) @ weights


LINEAR = Partial(linear, WEIGHTS)


def at_distances(distances):
    """Return images of class 0 at signed L2 distances from the boundary of the linear model."""
    x = 0.5 + np.outer(distances, NORMAL / np.linalg.norm(NORMAL))
    return x.reshape(-1, *SHAPE).astype(np.float32)
