"""Networks of random weights, and scores of them."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.masks.gates import (
    LearnedMask,
    TopScores,
    apply_gates,
    gates_of,
    initial_scores,
)

PATTERNS = ["element", "row", "kernel", "channel", "block:2x3"]
KEY = jax.random.key(0)
KAIMING = LearnedMask(0.5, gate=TopScores(start="kaiming"))


def apply_scores(settings, params, scores):
    return apply_gates(settings, params, gates_of(settings, params, scores, KEY))


def network(seed=0):
    generator = np.random.default_rng(seed)
    return {
        "conv1": {"kernel": generator.standard_normal((3, 3, 2, 4), np.float32)},
        "conv2": {"kernel": generator.standard_normal((1, 1, 4, 6), np.float32)},
        "head": {"kernel": generator.standard_normal((6, 3), np.float32), "bias": np.ones(3)},
    }


def random_scores(settings, params, seed=1):
    start = initial_scores(settings, params, KEY)
    generator = np.random.default_rng(seed)
    return {
        name: jnp.asarray(generator.standard_normal(score.shape), jnp.float32)
        for name, score in start.items()
    }
