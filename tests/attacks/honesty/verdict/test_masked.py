"""Networks that hide their gradients are caught, by name."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks.honesty import check_model
from tests.attacks.honesty.verdict.conftest import EPS, KEY


def failed(verdict):
    return {finding.check for finding in verdict.findings if not finding.passed}


def eight_levels(x):
    return jnp.round(7 * x) / 7


def straight_through(x):
    return x + jax.lax.stop_gradient(eight_levels(x) - x)


def counted_noise(logits_fn):
    """Noise that the host draws while Python runs: compilation freezes it."""
    counter = itertools.count()

    def noisy(x):
        return logits_fn(x) + np.random.default_rng(next(counter)).normal(size=3)

    return noisy


def called_back_noise(logits_fn):
    """Noise that the host draws for every call, compiled or not."""
    counter = itertools.count()

    def draw():
        return np.random.default_rng(next(counter)).normal(size=3).astype(np.float32)

    shape = jax.ShapeDtypeStruct((3,), jnp.float32)
    return lambda x: logits_fn(x) + jax.pure_callback(draw, shape)


def seeded_noise(logits_fn, code):
    """Noise drawn with a hash of the pixels."""

    def draw(image):
        words = code(image).ravel()
        places = 1 + 2 * jnp.arange(words.size, dtype=jnp.uint32)
        return jax.random.normal(jax.random.key((words * places).sum()), (3,))

    return lambda x: logits_fn(x) + jax.vmap(draw)(x)


def float_bits(image):
    return jax.lax.bitcast_convert_type(jax.lax.stop_gradient(image), jnp.uint32)


def eight_bits(image):
    return jnp.round(255 * image).astype(jnp.uint32)


def rippled(logits_fn):
    """Low steep waves: the signs of the gradient are those of the waves."""
    return lambda x: logits_fn(x + 0.02 * jnp.sin(1000 * x))


def slit(logits_fn):
    """Wrong answers in narrow bands, which an attack hits by chance."""

    def logits(x):
        right = logits_fn(x)
        return jnp.where((40 * right[:, :1]) % 1 < 1 / 16, -right, right)

    return logits


def trapped(logits_fn):
    """Logits that rise and fall: one long step leaps over the traps of short ones."""

    def logits(x):
        right = logits_fn(x)
        return right + 0.75 * jnp.sin(4 * right)

    return logits


PLANTED = {
    "rounding": (
        lambda f: lambda x: f(eight_levels(x)),
        {"quantised input", "disconnected gradient", "zero gradients", "unbounded"},
    ),
    "rounding with a straight-through gradient": (
        lambda f: lambda x: f(straight_through(x)),
        {"quantised input", "wrong gradients"},
    ),
    "saturated": (
        lambda f: lambda x: 1e4 * f(x),
        {"saturated logits", "zero gradients", "unbounded"},
    ),
    "cut input": (
        lambda f: lambda x: f(jax.lax.stop_gradient(x)),
        {"disconnected gradient", "zero gradients", "unbounded"},
    ),
    "cut features": (
        lambda f: lambda x: f(jax.lax.stop_gradient(jnp.tanh(x))),
        {"disconnected gradient", "zero gradients", "unbounded"},
    ),
    "softmax": (lambda f: lambda x: jax.nn.softmax(f(x)), {"probabilities"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_masked_models_are_caught_by_name(subject, name):
    logits_fn, x, y = subject
    plant, expected = PLANTED[name]
    verdict = check_model(plant(logits_fn), x, y, KEY, eps=EPS)
    assert failed(verdict) == expected, "\n".join(verdict.lines())


@pytest.mark.parametrize(
    ("plant", "eps", "checks"),
    [
        (rippled, EPS, {"unbounded"}),
        (slit, EPS, {"eps", "black box"}),
        (trapped, 0.1, {"steps"}),
    ],
)
def test_misleading_gradients_are_caught_by_the_attacks(subject, plant, eps, checks):
    logits_fn, x, y = subject
    verdict = check_model(plant(logits_fn), x, y, KEY, eps=eps)
    assert failed(verdict) == checks, "\n".join(verdict.lines())


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (counted_noise, "random output"),
        (called_back_noise, "random output"),
        (partial(seeded_noise, code=float_bits), "shattered output"),
        (partial(seeded_noise, code=eight_bits), "shattered output"),
    ],
)
def test_noise_is_caught(subject, plant, check):
    logits_fn, x, y = subject
    verdict = check_model(plant(logits_fn), x, y, KEY, eps=EPS, num_steps=8)
    assert check in failed(verdict), "\n".join(verdict.lines())
    assert ("random output" in failed(verdict)) == (check == "random output")


def test_noise_beyond_the_declared_is_caught(subject):
    logits_fn, x, y = subject
    noisy = called_back_noise(logits_fn)
    verdict = check_model(lambda x, keys: noisy(x), x, y, KEY, eps=EPS, num_steps=8, samples=2)
    assert "random output" in failed(verdict)
