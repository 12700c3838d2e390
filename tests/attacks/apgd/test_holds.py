"""What holds for APGD on any images, beside other implementations too."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets import attacks
from rtickets.attacks import apgd_ce, apgd_dlr, apgd_t
from rtickets.attacks.lengths import cube_radius
from tests.attacks.apgd.conftest import KEY, linear, model_of

GOLDEN = Path(__file__).parents[2] / "golden" / "attacks.npz"


def radius(x_adv, x, norm):
    delta = np.abs(np.asarray(x_adv, np.float64) - np.asarray(x, np.float64)).reshape(len(x), -1)
    return {"linf": delta.max(-1), "l2": np.sqrt((delta**2).sum(-1)), "l1": delta.sum(-1)}[norm]


def wave(x):
    """Two classes and a loss with many local maxima along the sum of the pixels."""
    total = x.reshape(len(x), -1).sum(-1)
    logit = jnp.sin(40 * total) + 0.3 * total
    return jnp.stack([4.1 - logit, logit], -1)


def test_restarts_only_add_to_the_fooled_examples():
    x, y, keys = jnp.full((64, 3, 3, 1), 0.5), jnp.zeros(64, int), jax.random.split(KEY, 64)
    one, five = (
        apgd_ce(wave, x, y, keys, eps=0.5, norm="l2", num_steps=4, restarts=restarts)
        for restarts in (1, 5)
    )
    first, all_five = (np.asarray(wave(x_adv).argmax(-1) != 0) for x_adv in (one, five))
    assert all_five[first].all()
    assert all_five.sum() > first.sum()
    np.testing.assert_array_equal(five[first], one[first])


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, weights.shape))(keys)
    return jnp.einsum("bd,bdc->bc", x.reshape(len(x), -1), weights + noise)


def test_a_random_model_is_attacked_reproducibly():
    model = Partial(noisy, model_of(3, (2, 2, 1)).args[0])
    x, y = jax.random.uniform(KEY, (4, 2, 2, 1)), jnp.arange(4) % 3
    first, again, other = (
        apgd_dlr(model, x, y, key, eps=0.1, num_steps=5, samples=2)
        for key in (KEY, KEY, jax.random.key(1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (radius(first, x, "linf") <= 0.1 + 1e-6).all()


CASES = [
    (apgd_ce, "linf", (1, 1, 1), 1, jnp.float32),
    (apgd_ce, "l2", (4, 3, 2), 3, jnp.bfloat16),
    (apgd_ce, "l1", (4, 3, 2), 3, jnp.float32),
    (apgd_dlr, "linf", (4, 3, 2), 3, jnp.bfloat16),
    (apgd_dlr, "l1", (1, 1, 1), 1, jnp.bfloat16),
    (apgd_t, "l2", (1, 1, 1), 1, jnp.float32),
    (apgd_t, "linf", (4, 3, 2), 3, jnp.float32),
]


@pytest.mark.parametrize(("attack", "norm", "shape", "batch", "dtype"), CASES)
@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["random", "constant", "corner"]),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 100),
)
def test_stays_in_the_ball_and_in_range(
    attack, norm, shape, batch, dtype, images, share, flat, seed
):
    generator = np.random.default_rng(seed)
    eps = np.where(generator.uniform(size=batch) < 0.2, 0, share * cube_radius(norm, shape))
    eps = eps.astype(np.float32)
    x = generator.uniform(0, 1, (batch, *shape))
    x = {"random": x, "constant": 0 * x + 0.3, "corner": x.round()}[images].astype(np.float32)
    y = generator.integers(0, 5, batch)
    keys = jax.random.split(jax.random.key(seed), batch)
    model = Partial(linear, (0 if flat else 1) * model_of(5, shape, dtype).args[0])
    search = partial(attack, model, eps=eps, norm=norm, num_steps=6)
    x_adv = np.asarray(search(x, y, keys))
    assert x_adv.dtype == np.float32
    assert (radius(x_adv, x, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    np.testing.assert_array_equal(x_adv[eps == 0], x[eps == 0])
    if batch > 1:  # the first example beside copies of itself
        alone = attack(
            model, *(np.stack([a[0]] * batch) for a in (x, y)), keys[jnp.zeros(batch, int)],
            eps=eps[:1].repeat(batch), norm=norm, num_steps=6,
        )  # fmt: skip
        np.testing.assert_allclose(alone, x_adv[:1].repeat(batch, 0), atol=1e-6)


def convnet(kernel, bias, dense, dense_bias, x):
    layout = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1),) * 2, dimension_numbers=layout)
    return jax.nn.relu(x + bias).reshape(len(x), -1) @ dense + dense_bias


RUNS = {"pgd": 12, "apgd_ce": 12, "apgd_dlr": 12, "apgd_t": 3, "fab_t": 1, "square": 6}


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", RUNS)
def test_as_strong_as_torchattacks(name, norm):
    """Mean accuracy over two radii and random starts, see tests/golden/make_attacks.py."""
    stored = np.load(GOLDEN)
    model = Partial(convnet, *(stored[a] for a in ("kernel", "bias", "dense", "dense_bias")))
    radii, theirs = stored[f"radii_{norm}"], stored[f"{name}_{norm}"]
    x, y = np.tile(stored["x"], (2, 1, 1, 1)), np.tile(stored["y"], 2)
    eps = radii.repeat(len(x) // 2).astype(np.float32)
    steps = {"num_queries": 1000} if name == "square" else {"num_steps": 100}
    steps |= {"step_size": eps / 10} if name == "pgd" else {}
    ours = []
    for seed in range(RUNS[name]):
        key = jax.random.key(seed)
        x_adv = getattr(attacks, name)(model, x, y, key, eps=eps, norm=norm, **steps)
        assert (radius(x_adv, x, norm) <= eps * (1 + 1e-5)).all()
        ours.append(np.asarray(model(x_adv).argmax(-1) == y).mean())
    assert np.mean(ours) <= theirs.mean() + 0.005
