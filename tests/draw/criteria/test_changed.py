"""A score is that of the function as it is now, not as it was when it was compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.draw.criteria.gradient import grasp, snip, taylor
from rtickets.draw.criteria.synflow import synflow
from rtickets.errors import InputError

X = jax.random.uniform(jax.random.key(0), (6, 4))
Y = jnp.ones(6)
PARAMS = {"kernel": jnp.arange(1.0, 5)}


class Scaled:
    """A linear network (and its loss) with a factor of its own."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def logits(self, params, x):
        return (self.factor * x @ params["kernel"])[:, None]

    def loss(self, params, x, y):
        return ((self.logits(params, x)[:, 0] - y) ** 2).mean()

    def perturb(self, params, x, y):
        return self.factor * x, y


def plain_loss(params, x, y):
    return Scaled().loss(params, x, y)


def scores_of(kind, loss, perturb):
    batches = [(X, Y)]
    score = {"snip": snip, "taylor": taylor, "grasp": grasp}[kind]
    return score(loss, PARAMS, batches, perturb=perturb, prunable=".*")["kernel"]


@pytest.mark.parametrize("kind", ["snip", "taylor", "grasp"])
@pytest.mark.parametrize("part", ["loss", "perturb"])
def test_a_loss_or_an_attack_that_has_changed_is_scored_anew(kind, part):
    def functions(model):
        return (model.loss, None) if part == "loss" else (plain_loss, model.perturb)

    model = Scaled()
    own = functions(model)
    before = scores_of(kind, *own)
    model.factor = 3.0
    fresh = Scaled(3.0)
    expected = scores_of(kind, *functions(fresh))
    found = scores_of(kind, *own)
    np.testing.assert_array_equal(found, expected)
    assert not np.allclose(found, before)


def test_snip_of_a_changed_loss_in_closed_form():
    model = Scaled()
    snip(model.loss, PARAMS, [(X, Y)], prunable=".*")
    model.factor = 2.0
    found = snip(model.loss, PARAMS, [(X, Y)], prunable=".*")["kernel"]
    x, w = np.asarray(X, np.float64), np.arange(1.0, 5)
    expected = np.abs(w * (2 * (2 * x @ w - 1)[:, None] * 2 * x).mean(0))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_network_whose_flow_was_cut_has_none():
    """Scores are relative to the sum of outputs, so a factor alone would not show."""

    class Cut:
        mask = jnp.ones(4)

        def __call__(self, params, x):
            return x @ (params["kernel"] * self.mask)[:, None]

    model = Cut()
    total = np.arange(1.0, 5)
    np.testing.assert_allclose(synflow(model, PARAMS, (4,), prunable=".*")["kernel"], total / 10)
    model.mask = jnp.array([1.0, 0, 0, 1])
    found = synflow(model, PARAMS, (4,), prunable=".*")["kernel"]
    np.testing.assert_allclose(found, total * [1, 0, 0, 1] / 5)


@pytest.mark.parametrize("kind", ["snip", "taylor", "grasp"])
def test_a_jit_of_its_own_around_a_changed_loss_is_refused(kind):
    model = Scaled()
    compiled = jax.jit(model.loss)

    def loss(*arguments):
        return 2 * compiled(*arguments)

    expected = scores_of(kind, Scaled().loss, None)
    np.testing.assert_allclose(scores_of(kind, loss, None) / expected, expected * 0 + 2, rtol=1)
    model.factor = 3.0
    with pytest.raises(InputError, match=r"loss has a jax\.jit"):
        scores_of(kind, loss, None)


def test_a_jit_of_its_own_around_a_changed_network_is_refused():
    model = Scaled()
    logits_fn = jax.jit(lambda params, x: model.logits(params, x))
    synflow(logits_fn, PARAMS, (4,), prunable=".*")
    model.factor = 3.0
    with pytest.raises(InputError, match=r"network has a jax\.jit"):
        synflow(logits_fn, PARAMS, (4,), prunable=".*")
