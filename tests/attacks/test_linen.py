"""Flax modules as models, however they are given: the results of a plain function, or one line."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import pgd
from rtickets.attacks.honesty import check_model
from rtickets.errors import InputError
from rtickets.evaluation.smoothing import certify

X = np.random.default_rng(0).uniform(size=(3, 4)).astype(np.float32)
Y = np.array([0, 1, 2])
KEYS = jax.random.split(jax.random.key(3), 3)


def attack(model, **settings):
    return pgd(model, X, Y, 0, eps=0.1, step_size=0.1, num_steps=1, **settings)


class Network(nn.Module):
    """A network with a part that only training has."""

    rate: float = 0.0

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train or self.rate > 0)(nn.Dense(5)(x))
        return nn.Dense(3)(nn.Dropout(self.rate, deterministic=not train)(x))

    def of(self, variables, x):
        return self.apply(variables, x)

    def negative(self, x):
        return -self(x)


class Centred(nn.Module):
    """A network with an array among its attributes, which has no hash."""

    mean: Any

    @nn.compact
    def __call__(self, x, sign=None):
        logits = nn.Dense(3)(jnp.square(x - self.mean))
        return logits if sign is None else sign[0] * logits


class Drawing(nn.Module):
    @nn.compact
    def __call__(self, x, key):
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(key)
        return nn.Dense(3)(x + noise)


VARIABLES = Network().init(jax.random.key(0), X)
KERNEL = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
DENSE = {"params": {"Dense_0": {"kernel": jnp.asarray(KERNEL), "bias": jnp.zeros(3)}}}
GIVEN = {
    "partial": lambda: partial(Network().apply, VARIABLES),
    "Partial": lambda: Partial(Network().apply, VARIABLES),
    "of a bound one": lambda: partial(Network().bind({}).apply, VARIABLES),
    "own method": lambda: partial(Network().of, VARIABLES),
    "setting": lambda: partial(Network().apply, VARIABLES, train=False),
    "compiled": lambda: partial(jax.jit(Network().apply), VARIABLES),
}


@pytest.mark.parametrize("model", GIVEN.values(), ids=GIVEN)
def test_apply_with_its_variables_is_a_model(model):
    expected = attack(lambda x: Network().apply(VARIABLES, x))
    np.testing.assert_allclose(attack(model()), expected, atol=1e-6)


def test_a_method_named_to_apply_is_the_model():
    expected = attack(lambda x: -Network().apply(VARIABLES, x))
    for method in ("negative", Network.negative):
        found = attack(partial(Network().apply, VARIABLES, method=method))
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("as_array", [np.array, jnp.array])
def test_arrays_among_the_attributes_are_seen_as_they_are_now(as_array):
    for mean in (X + 0.05, X - 0.05):
        model = Centred(as_array(mean)).bind(DENSE)
        plain = attack(lambda x, mean=mean: jnp.square(x - mean) @ KERNEL)
        np.testing.assert_allclose(attack(model), plain, atol=1e-6)
    mean = np.array(X)
    model = Centred(mean).bind(DENSE)
    attack(model)
    mean += 0.05  # the module is still the same
    changed = attack(lambda x: jnp.square(x - (X + 0.05)) @ KERNEL)
    np.testing.assert_allclose(attack(model), changed, atol=1e-6)


def test_settings_without_a_hash_are_taken():
    model = partial(Centred(0.5).bind(DENSE), sign=[-1.0])
    expected = attack(lambda x: -jnp.square(x - 0.5) @ KERNEL)
    np.testing.assert_allclose(attack(model), expected, atol=1e-6)


def bound(module):
    return module.bind(DENSE)


ONE_LINE = {
    "keys": (bound(Drawing()), 0, "takes keys .*samples > 0"),
    "keys of apply": (partial(Drawing().apply, DENSE), 0, "takes keys .*samples > 0"),
    "no keys": (nn.Dense(3).bind(DENSE), 3, "samples=3 .*no key"),
    "no keys of apply": (partial(nn.Dense(3).apply, DENSE), 3, "samples=3 .*no key"),
    "dropout": (partial(Network(0.5).bind(VARIABLES), train=True), 0, "draws .*train=False"),
    "statistics": (partial(Network().bind(VARIABLES), train=True), 0, "changes .*train=False"),
    "dropout of apply": (partial(Network(0.5).apply, VARIABLES, train=True), 0, "train=False"),
    "no variables": (partial(Network().apply, {}), 0, "cannot be called with its variables"),
    "apply alone": (Network().apply, 0, r"Network.apply .*partial\(module.apply, variables\)"),
    "apply by name": (partial(Network().apply, variables=VARIABLES), 0, "variables before images"),
    "method alone": (Network().negative, 0, "module without weights"),
    "jit": (
        jax.jit(nn.Dense(3).bind(DENSE)),
        0,
        "jax.jit or jax.checkpoint of a bound flax module",
    ),
    "class": (Network, 0, r"the class Network; .*module.bind\(variables\)"),
    "traced setting": (
        Partial(Network().bind(VARIABLES), train=False),
        0,
        "images, or of train, .*functools.partial",
    ),
}


@pytest.mark.parametrize("name", ONE_LINE)
def test_what_a_module_cannot_be_asked_is_one_line(name):
    model, samples, message = ONE_LINE[name]
    with pytest.raises(InputError, match=message):
        attack(model, samples=samples)
    with pytest.raises(InputError, match=message):
        check_model(model, X, Y, 0, eps=0.1, num_steps=8, samples=samples)
    if not samples:
        with pytest.raises(InputError, match=message):
            certify(model, X, 0, sigma=0.1, num_classes=3, samples=2, selection_samples=2)


def test_a_random_module_is_attacked_in_expectation():
    plain = attack(lambda x, key: Drawing().apply(DENSE, x, key), samples=2)
    for model in (bound(Drawing()), partial(Drawing().apply, DENSE)):
        np.testing.assert_allclose(attack(model, samples=2), plain, atol=1e-6)
