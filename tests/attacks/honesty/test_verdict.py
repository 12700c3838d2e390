"""Planted models with masked gradients must be caught by name, honest ones must pass."""

import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks import pgd
from rtickets.attacks.honesty import check_model, check_results
from rtickets.attacks.honesty.findings import CHECKS
from rtickets.errors import InputError

SHAPE, CLASSES, EPS = (8, 8, 1), 3, 8 / 255
KEY = jax.random.key(7)
OPTIMIZER = optax.adam(1e-2)


def dataset(seed, count=256):
    """Noisy 8-bit images of three blocky patterns."""
    generator = np.random.default_rng(seed)
    patterns = generator.uniform(0.25, 0.75, (CLASSES, 4, 4, 1)).repeat(2, 1).repeat(2, 2)
    y = generator.integers(0, CLASSES, count)
    x = patterns[y] + 0.15 * generator.normal(size=(count, *SHAPE))
    return jnp.asarray(np.round(255 * x.clip(0, 1)) / 255, jnp.float32), jnp.asarray(y)


def linear(params, x):
    kernel, bias = params
    return (x.reshape(len(x), -1) - 0.5).astype(kernel.dtype) @ kernel + bias


def mlp(params, x):
    return jax.nn.relu(linear(params[:2], x)) @ params[2] + params[3]


def conv(params, x):
    kernel, bias, *rest = params
    layout = ("NHWC", "HWIO", "NHWC")
    x = (x - 0.5).astype(kernel.dtype)
    x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=layout)
    x = jax.nn.relu(x + bias)
    return x.reshape(len(x), -1) @ rest[0] + rest[1]


WIDTHS = {linear: [(64, 3)], mlp: [(64, 32), (32, 3)], conv: [(3, 3, 1, 8), (128, 3)]}


@partial(jax.jit, static_argnames="model")
def train_step(model, params, state, x, y, key, eps):
    def loss(params, x):
        return optax.softmax_cross_entropy_with_integer_labels(model(params, x), y).mean()

    x_adv = pgd(partial(model, params), x, y, key, eps=eps, step_size=eps / 2, num_steps=3)
    updates, state = OPTIMIZER.update(jax.grad(loss)(params, x_adv), state)
    return optax.apply_updates(params, updates), state


@cache
def trained(model, seed, eps=0.0):
    """Return parameters, adversarially trained if eps > 0, and 64 images with labels."""
    x, y = dataset(seed)
    keys, params = jax.random.split(jax.random.key(seed), 100), []
    for key, shape in zip(keys, WIDTHS[model], strict=False):
        scale = np.prod(shape[:-1]) ** -0.5
        params += [scale * jax.random.normal(key, shape), jnp.zeros(shape[-1])]
    state = OPTIMIZER.init(params)
    for key in keys:
        params, state = train_step(model, params, state, x, y, key, eps)
    return params, x[:64], y[:64]


@pytest.fixture(scope="module")
def subject():
    """An honest model of images, images and labels."""
    params, x, y = trained(linear, 0)
    return partial(linear, params), x, y


def failed(verdict):
    return {finding.check for finding in verdict.findings if not finding.passed}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "eps"), [(linear, 0.0), (mlp, 0.0), (conv, 0.0), (mlp, 0.05), (conv, 0.05)]
)
def test_honest_models_pass(model, eps, seed):
    params, x, y = trained(model, seed, eps)
    assert (model(params, x).argmax(-1) == y).mean() > 0.8
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    for each, radius in ((params, EPS), (params, 0.2), (low, EPS)):
        verdict = check_model(Partial(model, each), x, y, KEY, eps=radius)
        assert verdict.passed, "\n".join(verdict.lines())


@pytest.mark.parametrize(("norm", "eps"), [("l2", 0.5), ("l1", 4.0)])
def test_honest_models_pass_in_other_norms(norm, eps):
    for model, seed in itertools.product((linear, mlp), range(2)):
        params, x, y = trained(model, seed)
        verdict = check_model(Partial(model, params), x, y, KEY, eps=eps, norm=norm)
        assert verdict.passed, "\n".join(verdict.lines())


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 10), st.floats(-100, 100))
def test_scale_and_shift_of_honest_logits_do_not_matter(scale, shift):
    params, x, y = trained(linear, 1)
    verdict = check_model(Partial(rescaled, params, scale, shift), x, y, KEY, eps=EPS, num_steps=8)
    assert verdict.passed, "\n".join(verdict.lines())


def rescaled(params, scale, shift, x):
    return scale * linear(params, x) + shift


def test_a_declared_random_model_passes(subject):
    logits_fn, x, y = subject

    def noisy(x, keys):
        return logits_fn(x) + 0.3 * jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)

    verdict = check_model(noisy, x, y, KEY, eps=EPS, num_steps=8, samples=3)
    assert verdict.passed, "\n".join(verdict.lines())


def test_a_constant_answer_is_no_masking(subject):
    logits_fn, x, y = subject
    bias = jnp.array([30.0, 0, 0])
    verdict = check_model(lambda x: bias + 0.01 * logits_fn(x), x, y, KEY, eps=EPS, num_steps=8)
    assert verdict.passed, "\n".join(verdict.lines())


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


def test_names_cost_and_compilations(subject):
    logits_fn, x, y = subject
    traced, called = [], []

    def counted(x):
        traced.append(x)
        jax.debug.callback(lambda: called.append(1))
        return jax.lax.stop_gradient(logits_fn(x))  # never all fooled, so nothing stops early

    verdict = check_model(counted, x, y, KEY, eps=EPS, num_steps=20)
    jax.effects_barrier()
    assert tuple(finding.check for finding in verdict.findings) == CHECKS[:-4]
    assert len(called) == 4.25 * 20 + 35 + 50
    assert len(traced) == 1 + 2 + 3  # what it computes, calls not compiled, and compilations


def test_lines_tell_the_verdict_first(subject):
    logits_fn, x, y = subject
    good = check_model(logits_fn, x, y, KEY, eps=EPS, num_steps=8).lines()
    assert good[0] == "trust: yes"
    assert all(line.startswith("ok ") for line in good[1:])
    bad = check_results(accuracy={0.1: 0.2, 0.0: 0.9, 0.2: 0.3}).lines()
    assert bad[0] == "trust: NO - accuracy over eps"
    assert bad[1].startswith(
        "FAIL accuracy over eps: robust accuracy rises by at most 10.00 points"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 0.0}, "eps=0.0"),
        ({"norm": "l7"}, "norm='l7'"),
        ({"num_steps": 7}, "num_steps=7"),
        ({"samples": -1}, "samples=-1"),
        ({"x": jnp.zeros((0, *SHAPE)), "y": jnp.zeros(0, jnp.int32)}, "no images"),
        ({"y": jnp.full(2, 3)}, "label 3"),
        ({"logits_fn": lambda x: jnp.full((len(x), 3), jnp.nan)}, "not finite"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {
        "logits_fn": lambda x: x.reshape(len(x), -1)[:, :3], "x": jnp.zeros((2, *SHAPE)),
        "y": jnp.zeros(2, jnp.int32), "key": KEY, "eps": EPS,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        check_model(**(arguments | change))
