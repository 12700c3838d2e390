"""What may stand for a model: the same results as a plain function, or one clear line."""

import functools
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest
from flax import nnx
from jax.tree_util import Partial

from rtickets.attacks import (
    Member,
    apgd_ce,
    apgd_dlr,
    apgd_t,
    autoattack,
    fab_t,
    fgsm,
    fgsm_rs,
    pgd,
    square,
    worst_case,
)
from rtickets.attacks.honesty import check_model
from rtickets.attacks.models import as_model
from rtickets.attacks.search import split_model
from rtickets.errors import InputError
from rtickets.evaluation.smoothing import certify

X = np.random.default_rng(0).uniform(size=(3, 4)).astype(np.float32)
Y = np.array([0, 1, 2])
W = np.ones((4, 3), np.float32)
RNGS = nnx.Rngs(0)
LINEAR = nnx.Linear(4, 3, rngs=RNGS)


def one_step(model, x, y, key):
    return pgd(model, x, y, key, eps=0.1, step_size=0.1, num_steps=1)


def worst(model, x, y, key):
    return worst_case(model, x, y, key, eps=0.9, members=(Member("apgd_ce", 1),)).x_adv


ATTACKS = {
    "pgd": one_step,
    "fgsm": lambda model, x, y, key: fgsm(model, x, y, eps=0.1),
    "fgsm_rs": partial(fgsm_rs, eps=0.1),
    "apgd_ce": partial(apgd_ce, eps=0.1, num_steps=1),
    "apgd_dlr": partial(apgd_dlr, eps=0.1, num_steps=1),
    "apgd_t": partial(apgd_t, eps=0.1, num_steps=1, num_targets=1),
    "fab_t": partial(fab_t, eps=0.9, num_steps=1, num_targets=1),
    "worst_case": worst,
}
OTHERS = {
    "square": partial(square, eps=0.1, num_queries=2),
    "autoattack": partial(autoattack, eps=0.1, version="fast"),
    "check_model": partial(check_model, eps=0.1, num_steps=8),
    "certify": lambda model, x, y, key: certify(
        model, x, key, sigma=0.1, num_classes=3, samples=2, selection_samples=2
    ),
}


class Network(nn.Module):
    """A linear network with a switch and a method of its own."""

    flip: bool = False
    axis: int | None = 0

    def setup(self):
        self.head = nn.Dense(3)

    def __call__(self, x, train=False):
        logits = self.head(x.reshape(-1) if self.axis is None else x.reshape(len(x), -1))
        return -logits if train or self.flip else logits

    def negative(self, x):
        return -self(x)


def bound(seed=0, flip=False, axis=0):
    network = Network(flip)
    return Network(flip, axis).bind(network.init(jax.random.key(seed), X))


def other_arguments(variables, x):
    """Stand for what a decorator takes weights out of."""


def plain(seed=0):
    variables = bound(seed).variables
    return lambda x: Network().apply(variables, x)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_bound_module_is_attacked_as_its_function_is(attack):
    y = np.asarray(plain()(X).argmax(-1))
    found = attack(bound(), X, y, 0)
    np.testing.assert_allclose(found, attack(plain(), X, y, jax.random.key(0)), atol=1e-5)
    assert np.abs(found - X).max() > 0.09


def test_two_bound_modules_of_one_architecture_are_told_apart():
    one, two = (one_step(bound(seed), X, Y, 0) for seed in (0, 1))
    np.testing.assert_allclose(two, one_step(plain(1), X, Y, 0), atol=1e-6)
    assert np.abs(one - two).max() > 0.09
    function = split_model(as_model(bound(0)))[0]
    assert function is split_model(as_model(bound(1)))[0]  # which shares what is compiled
    assert function is not split_model(as_model(bound(0, flip=True)))[0]


@pytest.mark.parametrize(
    "negative",
    [
        lambda: bound().negative,
        lambda: partial(bound(), train=True),
        lambda: Partial(bound().negative),
        lambda: bound(flip=True),
        lambda: lambda x: bound().negative(x),
        lambda: jax.vmap(bound(flip=True, axis=None)),
        lambda: functools.wraps(bound(flip=True))(lambda x: bound(flip=True)(x)),
        lambda: functools.wraps(other_arguments)(lambda x: -plain()(x)),
        lambda: Unhashable(),
    ],
)
def test_methods_and_partials_of_bound_modules_are_models(negative):
    expected = one_step(lambda x: -plain()(x), X, Y, 0)
    np.testing.assert_allclose(one_step(negative(), X, Y, 0), expected, atol=1e-6)


class Unhashable:
    """A model with a notion of equality and without a hash."""

    def __eq__(self, other):
        return True

    def __call__(self, x):
        return -plain()(x)


BAD = {
    "tuple": (lambda x: (plain()(x), 0), r"a tuple of 2; .*lambda x: model\(x\)\[0\]"),
    "dict": (lambda x: {"out": plain()(x)}, r"a dict of 'out'; .*lambda x: model\(x\)\['out'\]"),
    "number": (lambda x: 3.0, "returned a float; expected logits"),
    "keys": (lambda x, key: plain()(x), "takes keys besides images.*samples > 0"),
    "host": (lambda x: np.asarray(plain()(x)), "cannot be compiled by jax.*NumPy"),
    "condition": (lambda x: plain()(x) if x.sum() > 0 else -plain()(x), "cannot be compiled"),
    "one class": (lambda x: plain()(x)[:, :1], "at least 2 classes|does not fit logits"),
    "unbound": (Network(), r"Network is a module without weights; give module.bind"),
    "rngs": (Network().bind({}, rngs={"dropout": jax.random.key(0)}), "bound with rngs"),
    "mutable": (Network().bind({}, mutable=True), "bound with rngs or mutable"),
    "array": (np.zeros((4, 3)), "the model is a ndarray; expected a function"),
    "jit of a module": (jax.jit(bound()), "jax.jit.*bound flax module.*give the bound module"),
    "compiled": (jax.jit(plain()).lower(X).compile(), "compiled already.*the function that it"),
    "setting": (Partial(lambda w, x, mode: x @ w, W, mode="eval"), "mode of the model is a str"),
    "function": (
        Partial(lambda w, act, x: act(x @ w), W, np.tanh),
        "is a ufunc.*functools.partial",
    ),
    "nnx in training": (
        lambda x: LINEAR(nnx.Dropout(0.5, rngs=RNGS)(x.reshape(3, 4))),
        "draws or changes",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("attack", ["pgd", "worst_case", "square", "check_model", "certify"])
def test_what_is_no_model_is_one_line(attack, name):
    model, message = BAD[name]
    with pytest.raises(InputError, match=message):
        (ATTACKS | OTHERS)[attack](model, X.reshape(3, 2, 2, 1), Y, 0)


@pytest.mark.parametrize("attack", sorted({*ATTACKS, *OTHERS} - {"pgd", "worst_case", "certify"}))
def test_no_attack_begins_on_a_model_without_logits(attack):
    with pytest.raises(InputError, match="a tuple of 2"):
        (ATTACKS | OTHERS)[attack](BAD["tuple"][0], X.reshape(3, 2, 2, 1), Y, 0)


def test_a_model_without_logits_is_refused_while_traced():
    with pytest.raises(InputError, match="a tuple of 2"):
        jax.jit(lambda x: one_step(BAD["tuple"][0], x, Y, 0))(X)


def test_a_model_without_keys_has_no_samples():
    with pytest.raises(InputError, match=r"samples=4 .*no key"):
        apgd_ce(plain(), X, Y, 0, eps=0.1, samples=4)
    with pytest.raises(InputError, match=r"samples=4 .*no key"):
        pgd(plain(), X, Y, 0, eps=0.1, step_size=0.1, num_steps=1, samples=4)


def called_back(x):
    shape = jax.ShapeDtypeStruct((len(x), 3), np.float32)
    return jax.pure_callback(lambda x: np.asarray(x).reshape(len(x), -1) @ W, shape, x)


def counted(x):
    first = jax.lax.while_loop(lambda x: x.max() < 1, lambda x: x + 1, x)
    return first.reshape(len(x), -1) @ W


@pytest.mark.parametrize("model", [called_back, counted])
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_a_model_without_a_gradient_is_one_line(attack, model):
    with pytest.raises(InputError, match=r"no gradient.*'square'"):
        ATTACKS[attack](model, X, np.asarray(model(X).argmax(-1)), 0)


def test_a_model_without_a_gradient_has_attacks_without():
    images = X.reshape(3, 2, 2, 1)
    found = square(called_back, images, Y, 0, eps=0.1, num_queries=2)
    assert np.abs(found - images).max() <= 0.1 + 1e-6


def test_a_module_under_its_own_jit_of_nnx_is_one_line():
    module, call = nnx.Linear(4, 3, rngs=nnx.Rngs(0)), nnx.jit(lambda module, x: module(x))
    with pytest.raises(InputError, match=r"draws or changes variables.*nnx\.jit"):
        one_step(lambda x: call(module, x), X, Y, 0)
