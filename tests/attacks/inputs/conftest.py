"""Inputs of attacks that can be, and a model that must not run."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.attacks import (
    apgd_ce,
    pgd,
    worst_case,
)

KEY = jax.random.key(0)
X = np.full((3, 2, 2, 1), 0.5, np.float32)
X[1] = 0.75
Y = np.array([0, 1, 1])


class Model:
    """A linear model of three classes that knows whether it was run."""

    def __init__(self, wrong=None):
        self.runs, self.wrong = 0, wrong

    def __call__(self, x):
        self.runs += 1
        logits = x.reshape(len(x), -1) @ jnp.eye(4)[:, :3]
        return logits if self.wrong is None else self.wrong(logits)


def call(attack, model, **changes):
    settings = {"x": X, "y": Y, "key": KEY, "eps": 0.1} | changes
    x, y, key = (settings.pop(name) for name in ("x", "y", "key"))
    if attack is pgd:
        settings = {"step_size": 0.1, "num_steps": 1} | settings
    return attack(model, x, y, key, **settings)


ATTACKS = (pgd, apgd_ce, worst_case)
SOME = np.random.default_rng(3).uniform(size=(3, 2, 2, 1)).astype(np.float32)


def linear(x):
    return x.reshape(len(x), -1)[:, :3]


def moved(model, x, y, key):
    x_adv = pgd(model, x, y, key, eps=0.1, step_size=0.1, num_steps=1)
    assert x_adv.dtype == jnp.float32
    return x_adv
