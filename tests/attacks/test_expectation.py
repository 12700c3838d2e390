"""Random models: what counts is the mean over draws, which a linear model has in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.stats import norm as gaussian

from rtickets.attacks import Member, apgd_ce, apgd_t, pgd, worst_case
from rtickets.attacks.expectation import number_of_turns, rate, worst
from rtickets.attacks.search import Job

SHAPE, COUNT, SIGMA = (4, 4, 1), 48, 0.25
WEIGHTS = np.random.default_rng(0).normal(size=16).astype(np.float32)
LENGTH = np.linalg.norm(WEIGHTS)
DUAL = {"linf": np.abs(WEIGHTS).sum(), "l2": LENGTH}
MARGINS = np.linspace(0.2, 1.4, COUNT)
KEY = jax.random.key(4)
Y = np.arange(COUNT) % 2


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
    logit = ((x + SIGMA * noise).reshape(len(x), -1) - 0.5) @ weights
    return jnp.stack([-logit, logit], -1) / 2


MODEL = Partial(noisy, WEIGHTS)
ALONG = (2 * Y - 1) * MARGINS / LENGTH**2
X = (0.5 + np.outer(ALONG, WEIGHTS)).reshape(-1, *SHAPE).astype(np.float32)


def optimum(eps, norm):
    """Return the mean accuracy under the worst perturbation: the box is out of its reach."""
    return gaussian.cdf((MARGINS - eps * DUAL[norm]) / (SIGMA * LENGTH)).mean()


def accuracy(x_adv, draws=400, seed=99):
    """Return the mean accuracy over fresh draws, to about 0.004."""
    total = 0.0
    run = jax.jit(noisy)
    for draw in range(draws):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), draw), COUNT)
        total += float((run(WEIGHTS, x_adv, keys).argmax(-1) == Y).mean())
    return total / draws


EPS = {"linf": 0.06, "l2": 0.25}


def test_the_closed_form_is_that_of_the_model():
    assert accuracy(X) == pytest.approx(optimum(0, "linf"), abs=0.015)
    sign = np.where(Y[:, None] == 1, -1, 1) * np.sign(WEIGHTS)
    moved = X + 0.06 * sign.reshape(-1, *SHAPE).astype(np.float32)
    assert accuracy(moved) == pytest.approx(optimum(0.06, "linf"), abs=0.015)


SEARCHES = {
    "pgd best": lambda norm: pgd(
        MODEL, X, Y, KEY, eps=EPS[norm], step_size=EPS[norm] / 4, num_steps=20, norm=norm,
        samples=4, best=True,
    ),
    "pgd restarts": lambda norm: pgd(
        MODEL, X, Y, KEY, eps=EPS[norm], step_size=EPS[norm] / 4, num_steps=20, norm=norm,
        samples=4, restarts=2,
    ),
    "apgd": lambda norm: apgd_ce(
        MODEL, X, Y, KEY, eps=EPS[norm], norm=norm, num_steps=20, samples=4, restarts=2
    ),
    "apgd_t": lambda norm: apgd_t(
        MODEL, X, Y, KEY, eps=EPS[norm], norm=norm, num_steps=20, samples=4, num_targets=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_reaches_the_closed_form_on_fresh_draws(name, norm):
    assert accuracy(SEARCHES[name](norm)) == pytest.approx(optimum(EPS[norm], norm), abs=0.025)
