"""Networks that are trained in a moment, and images that they tell apart."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets.attacks import pgd

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
