"""Scores of a masked network against those of one whose dead weights are no parameters at all."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rtickets import masks
from rtickets.draw import draw_omp, draw_scheduled
from rtickets.draw.criteria import adversarial, cross_entropy, grasp, snip, synflow, taylor
from rtickets.errors import InputError

SIZES = [(4, 8), (8, 8), (8, 3)]


def network(seed=0):
    generator = np.random.default_rng(seed)
    return {
        f"layer{number}": {
            "kernel": generator.standard_normal(size).astype(np.float32),
            "bias": generator.standard_normal(size[1]).astype(np.float32) / 3,
        }
        for number, size in enumerate(SIZES)
    }


def logits_fn(params, x):
    x = x.reshape(len(x), -1)
    for name in ("layer0", "layer1"):
        x = jnp.tanh(x @ params[name]["kernel"] + params[name]["bias"])
    return x @ params["layer2"]["kernel"] + params["layer2"]["bias"]


def linear_fn(params, x):
    for layer in params.values():
        x = x @ layer["kernel"] + layer["bias"]
    return x


def images(count=12):
    x = jax.random.uniform(jax.random.key(1), (count, 2, 2, 1))
    keys = jax.random.split(jax.random.key(2), count)
    return x, jnp.arange(count) % 3, keys


class Living:
    """The same network as a function of a flat vector of its living weights alone."""

    def __init__(self, params, mask):
        flat, self._tree = ravel_pytree(jax.tree.map(jnp.asarray, params))
        kept = jax.tree.map(lambda keep, leaf: np.broadcast_to(keep, leaf.shape), mask, params)
        prunable = jax.tree.map(lambda keep, leaf: np.full(leaf.shape, np.ndim(keep)), mask, params)
        alive = (ravel_pytree(kept)[0] > 0) & (ravel_pytree(prunable)[0] > 0)
        self.where = np.flatnonzero(np.asarray(alive))
        self._rest = jnp.where(ravel_pytree(prunable)[0] > 0, 0, flat)
        self.theta = flat[self.where]

    def params(self, theta):
        return self._tree(self._rest.at[self.where].set(theta))

    def of(self, scores, params):
        """Return the scores of the living weights and those of all others."""
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), params)
        for path, score in scores.items():
            layer, kind = path.split("/")
            zeros[layer][kind] = score
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(zeros)])
        return flat[self.where], np.delete(flat, self.where)


def expected_scores(name, living, loss_fn, batch):
    def loss(theta):
        return loss_fn(living.params(theta), *batch)

    def scores(theta):
        gradient = jax.grad(loss)(theta)
        if name == "snip":
            return jnp.abs(theta * gradient)
        if name == "taylor":
            return jnp.square(theta * gradient)
        return theta * (jax.hessian(loss)(theta) @ gradient)

    # Compiled as one: every operation has shapes of its own for every number of living weights.
    return np.asarray(jax.jit(scores)(living.theta))


CRITERIA = {"snip": snip, "taylor": taylor, "grasp": grasp}


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("attacked", [False, True])
@pytest.mark.parametrize("name", CRITERIA)
def test_a_masked_network_is_scored_as_the_network_of_its_living_weights(name, attacked, masked):
    """Whether the caller has set the dead weights to zero already makes no difference."""
    params = network()
    mask = draw_omp(params, 0.6)
    living, loss_fn, batch = Living(params, mask), cross_entropy(logits_fn), images()
    perturb = adversarial(logits_fn, eps=0.1, step_size=0.05, num_steps=2) if attacked else None
    given = masks.apply(mask, params) if masked else params
    found, dead = living.of(
        CRITERIA[name](loss_fn, given, [batch], mask=mask, perturb=perturb), params
    )
    if perturb is not None:
        batch = perturb(living.params(living.theta), *batch)
    expected = expected_scores(name, living, loss_fn, batch)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert not dead.any()


def test_flow_goes_through_the_living_weights_alone():
    params = network()
    mask = draw_omp(params, 0.6)
    living = Living(jax.tree.map(jnp.abs, params), mask)

    def flow(theta):
        params = living.params(theta)
        layers = {name: {**layer, "bias": jnp.zeros(())} for name, layer in params.items()}
        return linear_fn(layers, jnp.ones((1, 4))).sum()

    expected = living.theta * jax.grad(flow)(living.theta) / flow(living.theta)
    found, dead = living.of(synflow(linear_fn, params, (4,), mask=mask), params)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert not dead.any()


@pytest.mark.parametrize("name", CRITERIA)
def test_rounds_draw_the_mask_of_networks_without_their_dead_weights(name):
    params, loss_fn, batch = network(), cross_entropy(logits_fn), images()

    def reference(alive, mask):
        living = Living(alive, mask)
        scores = np.zeros(sum(leaf.size for leaf in jax.tree.leaves(params)), np.float64)
        scores[living.where] = expected_scores(name, living, loss_fn, batch)
        return ravel_pytree(params)[1](scores.astype(np.float32))

    def ours(alive, mask):
        return CRITERIA[name](loss_fn, alive, [batch], mask=mask)

    # The weights of units that are off for all images score 0 alike, which may be said.
    drawn = draw_scheduled(params, 0.8, ours, 6, say=lambda _: None)
    expected = draw_scheduled(params, 0.8, reference, 6, say=lambda _: None)
    assert masks.overlap(drawn, expected)[""] > 0.9  # the last bits of a score may differ
    going_on = partial(draw_scheduled, params, 0.8, rounds=1, start=draw_omp(params, 0.4))
    assert masks.overlap(going_on(ours), going_on(reference))[""] > 0.9


def test_all_alive_is_no_mask():
    params, loss_fn, batch = network(), cross_entropy(logits_fn), images()
    for criterion in CRITERIA.values():
        dense = criterion(loss_fn, params, [batch])
        full = criterion(loss_fn, params, [batch], mask=masks.full(params))
        jax.tree.map(np.testing.assert_array_equal, dense, full)


def test_complex_weights_count_as_their_two_real_parts():
    """Both parts hang on one mask entry, so the scores of the parts are added."""
    generator = np.random.default_rng(0)
    theta, x = generator.standard_normal((2, 2, 5)).astype(np.float32)

    def loss(theta):
        total = ((theta[0] + 1j * theta[1]) * (x[0] + 1j * x[1])).sum()
        return (jnp.real(total) ** 2 + 3 * jnp.imag(total) ** 2) / 2

    def loss_fn(params, batch):
        kernel = params["a"]["kernel"]
        return loss(jnp.stack([jnp.real(kernel), jnp.imag(kernel)])) + 0 * batch.sum()

    gradient = jax.grad(loss)(theta)
    product = (theta * gradient).sum(0)
    hessian = jax.jit(jax.hessian(loss))(theta)
    flow = (theta * jnp.einsum("iajb,jb->ia", hessian, gradient)).sum(0)
    params = {"a": {"kernel": (theta[0] + 1j * theta[1]).astype(np.complex64)}}
    for criterion, expected in ((snip, abs(product)), (taylor, product**2), (grasp, flow)):
        found = criterion(loss_fn, params, [(jnp.ones((1, 1)),)])["a/kernel"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_half_precision_scores_small_gradients():
    """A gradient of 1e-30 is 0 in float16, and its square is 0 in float32."""
    values = np.array([1.0, -2.0, 3.0])
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
        params = {"a": {"kernel": jnp.asarray(values, dtype)}}

        def loss_fn(params, x):
            return 1e-30 * (x * params["a"]["kernel"].astype(jnp.float32)).sum()

        (score,) = taylor(loss_fn, params, [(jnp.ones((1, 3)),)]).values()
        np.testing.assert_allclose(score, (1e-30 * values) ** 2, rtol=1e-3)


def test_grasp_survives_gradients_whose_products_underflow():
    matrix, weights = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32), np.array([1.0, -2.0])

    def loss_fn(params, x):
        w = params["a"]["kernel"]
        return 1e-25 * (w @ matrix @ w) / 2 + 0 * x.sum()

    params = {"a": {"kernel": weights.astype(np.float32)}}
    (score,) = grasp(loss_fn, params, [(jnp.ones((1, 1)),)]).values()
    np.testing.assert_allclose(score, 1e-50 * weights * (matrix @ matrix @ weights), rtol=1e-4)


def test_weights_without_a_gradient_are_named():
    params = {"a": {"kernel": np.ones(3, np.int8)}}
    with pytest.raises(InputError, match="a/kernel is int8"):
        snip(lambda params, x: x.sum(), params, [(jnp.ones((1, 3)),)])
