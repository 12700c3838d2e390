"""Networks that paint one image from noise: what they hold, and that dead parts do no harm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rtickets import masks, models
from rtickets.models.deep_decoder import DeepDecoder, bilinear
from rtickets.models.generator_layers import ImageNorm, Reflected, doubled, halved
from rtickets.models.heads.picture import Picture
from rtickets.models.hourglass import Hourglass

KEY = jax.random.key(0)


def count(model, shape):
    variables = jax.eval_shape(lambda: model.init(KEY, jnp.zeros((1, *shape))))
    assert set(variables) == {"params"}  # the statistics are those of the image
    return sum(leaf.size for leaf in jax.tree.leaves(variables))


def test_the_published_networks_have_as_many_weights_as_published():
    assert count(models.build("hourglass", 3, make_head=Picture()), (64, 64, 32)) == 3_008_867
    painted = {"num_classes": 3, "make_head": Picture(use_bias=False)}
    assert count(DeepDecoder(**painted), (2, 2, 128)) == 100_224
    assert count(DeepDecoder(layers=4, **painted), (2, 2, 128)) == 83_584


def test_four_narrow_scales_have_the_weights_of_the_small_experiments():
    model = models.build("hourglass_small", 3, make_head=Picture())
    assert count(model, (64, 64, 8)) == 56_351


@pytest.mark.parametrize("skip", [0, 2])
@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (1, 1), (5, 13)])
def test_an_image_of_any_size_is_painted(skip, shape):
    model = Hourglass(3, (3, 4), skip, make_head=Picture())
    z = jax.random.uniform(KEY, (2, *shape, 4))
    params, stats = models.initialise(model, KEY, z.shape[1:])
    found, after = models.apply(model, params, stats, z, True)
    assert found.shape == (2, *shape, 3)
    assert after == {}
    assert np.all((found > 0) & (found < 1))
    alone = models.logits(model, params, stats, z[1:])
    np.testing.assert_allclose(found[1:], alone, rtol=1e-4, atol=1e-5)
    assert any("skip1" in path for path in masks.leaf_paths(params)) == bool(skip)


def test_the_deep_decoder_doubles_its_input():
    model = DeepDecoder(1, 4, 2, make_head=Picture(use_bias=False))
    params, _ = models.initialise(model, KEY, (3, 2, 4))
    assert models.logits(model, params, {}, jnp.ones((1, 3, 2, 4))).shape == (1, 12, 8, 1)


def test_a_convolution_reflects_at_the_border():
    x = jnp.arange(12.0).reshape(1, 3, 4, 1)
    layer = Reflected(1, 3, use_bias=False)
    corner = jnp.zeros((3, 3, 1, 1)).at[0, 0].set(1)  # takes what lies above and to the left
    found = layer.apply({"params": {"kernel": corner}}, x)[0, :, :, 0]
    expected = np.pad(np.asarray(x[0, :, :, 0]), 1, "reflect")[:3, :4]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("size", "shape"), [(5, (8, 6)), (3, (4, 2)), (1, (2, 4)), (7, (8, 10))])
def test_a_convolution_that_halves_is_the_average_of_one_that_does_not(size, shape):
    x = jax.random.normal(KEY, (2, *shape, 3))
    variables = Reflected(4, size).init(KEY, x)
    whole = halved(Reflected(4, size).apply(variables, x))
    found = Reflected(4, size, halve=True).apply(variables, x)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)


def test_kernels_and_biases_begin_within_one_over_the_root_of_the_fan_in():
    params = Reflected(64, 3).init(KEY, jnp.zeros((1, 4, 4, 16)))["params"]
    bound = (9 * 16) ** -0.5
    for leaf in params.values():
        assert 0.9 * bound < np.abs(leaf).max() <= bound


def test_normalisation_is_by_the_image_itself():
    x = jax.random.normal(KEY, (2, 5, 6, 3)) * 4 + 2
    found = ImageNorm(0.0).apply({"params": {"scale": jnp.full(3, 2.0), "bias": jnp.ones(3)}}, x)
    np.testing.assert_allclose(found.mean((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(found.var((1, 2)), 4, rtol=1e-4)


def test_the_gradient_of_the_normalisation_is_right():
    x = jax.random.normal(KEY, (1, 3, 3, 2))
    params = {"scale": jnp.array([1.0, 0.5]), "bias": jnp.zeros(2)}
    check_grads(lambda x: ImageNorm().apply({"params": params}, x), (x,), 1, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("dead", ["one layer", "all kernels", "everything"])
def test_dead_channels_leave_outputs_and_gradients_finite(dead):
    model = Hourglass(3, (3, 4), make_head=Picture())
    z = jax.random.uniform(KEY, (1, 8, 8, 4))
    params, _ = models.initialise(model, KEY, z.shape[1:])
    words = {"one layer": "down1_first_conv/", "all kernels": "kernel", "everything": ""}[dead]
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * (words not in "/".join(str(p.key) for p in path)), params
    )
    value, slope = jax.value_and_grad(lambda p: models.logits(model, p, {}, z).sum())(params)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_halving_undoes_doubling():
    x = jax.random.normal(KEY, (2, 3, 4, 5))
    assert doubled(x).shape == (2, 6, 8, 5)
    np.testing.assert_array_equal(halved(doubled(x)), x)
    np.testing.assert_array_equal(doubled(x)[:, 1::2, ::2], x)


@pytest.mark.parametrize("model", [Hourglass(2, (3, 4), 1), DeepDecoder(2, 3, 1)])
def test_without_statistics_outputs_are_proportional_to_the_input(model):
    model = model.clone(linear=True, make_head=Picture(use_bias=False, squash=False))
    z = jax.random.uniform(KEY, (1, 4, 4, 3))
    params, _ = models.initialise(model, KEY, z.shape[1:])
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.abs(leaf) * (path[-1].key != "bias"), params
    )
    once, twice = (models.logits(model, params, {}, factor * z) for factor in (1, 2))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (4, 7)])
def test_bilinear_doubling_is_that_of_jax(shape):
    x = jax.random.normal(KEY, (2, *shape, 3))
    doubled_shape = (2, 2 * shape[0], 2 * shape[1], 3)
    expected = jax.image.resize(x, doubled_shape, "bilinear")
    np.testing.assert_allclose(bilinear(x), expected, rtol=1e-5, atol=1e-6)
