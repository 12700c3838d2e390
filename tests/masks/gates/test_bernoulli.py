"""Masks whose groups live with learnt probabilities: the pull, the samples, what lives at last."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from pydantic import ValidationError

from rtickets.errors import InputError
from rtickets.masks.gates import Bernoulli, Layers
from rtickets.masks.gates.bernoulli import odds, reach, weight_to_reach
from rtickets.masks.patterns import parse_pattern

KEY = jax.random.key(0)


def gate_of(sparsity=0.9, shapes=None, scope="global", **fields):
    layers = Layers(shapes or {"a": (10, 30)}, parse_pattern("element"), sparsity, scope)
    return Bernoulli(**fields).on(layers)


def scores_of(p, gate):
    return {name: jnp.full(size.shape, odds(p)) for name, size in gate.layers.sizes().items()}


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.97])
def test_the_pull_is_the_divergence_summed_over_groups(p):
    gate = gate_of(weight=2.0, prior=0.1)
    expected = 600 * (p * math.log(p / 0.1) + (1 - p) * math.log((1 - p) / 0.9))
    np.testing.assert_allclose(gate.penalty(scores_of(p, gate)), expected, rtol=1e-4, atol=1e-3)


def test_the_pull_vanishes_at_the_prior_and_points_to_it_from_both_sides():
    gate = gate_of(sparsity=0.9, weight=1.0)  # the prior is what shall remain
    slope = jax.grad(gate.penalty)
    assert abs(gate.penalty(scores_of(0.1, gate))) < 1e-3
    assert np.abs(slope(scores_of(0.1, gate))["a"]).max() < 1e-5
    assert slope(scores_of(0.3, gate))["a"].min() > 0
    assert slope(scores_of(0.03, gate))["a"].max() < 0
    far = {"a": jnp.full((10, 30), 200.0)}
    assert np.isfinite(gate.penalty(far))
    assert np.isfinite(slope(far)["a"]).all()


def test_the_sum_of_probabilities_pulls_towards_nothing():
    gate = gate_of(weight=0.5, pull="l1")
    np.testing.assert_allclose(gate.penalty(scores_of(0.2, gate)), 0.5 * 300 * 0.2, rtol=1e-5)


def test_samples_are_soft_and_become_those_of_coins_at_low_temperature():
    shapes = {"a": (200, 500)}
    soft = gate_of(shapes=shapes)
    drawn = soft.gate(scores_of(0.3, soft), KEY)["a"]
    assert np.all((drawn >= 0) & (drawn <= 1))
    assert np.mean((drawn > 0.01) & (drawn < 0.99)) > 0.1
    assert np.abs(drawn - soft.gate(scores_of(0.3, soft), jax.random.key(1))["a"]).max() > 0.5
    hard = gate_of(shapes=shapes, temperature=1e-3)
    drawn = hard.gate(scores_of(0.3, hard), KEY)["a"]
    assert abs(drawn.mean() - 0.3) < 4 * (0.3 * 0.7 / drawn.size) ** 0.5
    # above a half with the probability itself, at every temperature
    assert abs((soft.gate(scores_of(0.3, soft), KEY)["a"] > 0.5).mean() - 0.3) < 0.01


def test_exactly_as_many_live_as_remain_and_of_equal_ones_the_first():
    gate = gate_of(sparsity=0.87)
    scores = {"a": jax.random.normal(KEY, (10, 30))}
    keep = gate.mask(scores)["a"]
    assert keep.sum() == 39
    assert scores["a"][keep].min() > scores["a"][~keep].max()
    equal = gate.mask(scores_of(0.5, gate))["a"].reshape(-1)
    np.testing.assert_array_equal(equal, np.arange(300) < 39)


def test_a_floor_leaves_every_layer_some_groups_and_the_same_number_in_all():
    shapes = {"low": (10, 10), "high": (10, 30)}
    scores = {"low": jnp.full((10, 10), -5.0), "high": jax.random.normal(KEY, (10, 30))}
    without = gate_of(shapes=shapes).mask(scores)
    assert (without["low"].sum(), without["high"].sum()) == (0, 40)
    keep = gate_of(shapes=shapes, floor=0.035).mask(scores)
    assert (keep["low"].sum(), keep["high"].sum()) == (4, 36)
    uniform = gate_of(shapes=shapes, scope="uniform").mask(scores)
    assert (uniform["low"].sum(), uniform["high"].sum()) == (10, 30)
    with pytest.raises(InputError, match=r"floor=0.2.*sparsity=0.9"):
        gate_of(floor=0.2)


def test_rounded_masks_keep_what_is_likelier_to_live_than_not():
    gate = gate_of(read="rounded")
    scores = {"a": jax.random.normal(KEY, (10, 30))}
    np.testing.assert_array_equal(gate.mask(scores)["a"], scores["a"] > 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"pull": "l1", "prior": 0.1},
        {"read": "rounded", "floor": 0.1},
        {"temperature": 0},
        {"prior": 1},
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        Bernoulli(**fields)


def test_the_published_pull_moves_little_in_few_steps():
    """Facts of the logs: after 5,000 steps mean odds of -0.1, after 79,000 of -2.8."""
    gate = Bernoulli()
    assert reach(gate, 0.05, 0.0, 100_000, 1e-2) == 1
    assert reach(gate, 0.05, 1e-8, 2_000, 1e-2) < 0.5
    assert reach(Bernoulli(weight=1e-6), 0.05, 1e-8, 2_000, 1e-2) == 1
    assert reach(Bernoulli(weight=0.0), 0.05, 1e-8, 2_000, 1e-2) == 0


@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-4])
def test_the_least_weight_that_reaches_the_prior_just_does(noise):
    weight = weight_to_reach(Bernoulli(), 0.05, noise, 2_000, 1e-2)
    assert reach(Bernoulli(weight=1.1 * weight), 0.05, noise, 2_000, 1e-2) == 1
    assert reach(Bernoulli(weight=0.5 * weight), 0.05, noise, 2_000, 1e-2) < 0.7


def test_adam_without_data_goes_as_far_as_is_said():
    gate, steps, rate = gate_of(sparsity=0.95, weight=1e-9), 30, 1e-2
    scores = gate.initial({}, KEY)
    optimiser = optax.adam(rate)
    state = optimiser.init(scores)
    for _ in range(steps):
        updates, state = optimiser.update(jax.grad(gate.penalty)(scores), state)
        scores = optax.apply_updates(scores, updates)
    moved = float(scores["a"].mean()) / odds(0.05)
    np.testing.assert_allclose(moved, reach(gate.settings, 0.05, 0.0, steps, rate), rtol=0.05)
