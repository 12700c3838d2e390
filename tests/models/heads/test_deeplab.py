import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.errors import InputError
from rtickets.models.heads.deeplab import DeepLab, resized


def network(output_stride=8, classes=5, **options):
    head = DeepLab(16, output_stride, **options)
    return models.build(
        "resnet18", classes, width=1 / 16, stem="imagenet", make_head=head,
        output_stride=output_stride,
    )  # fmt: skip


@pytest.fixture(scope="module")
def variables():
    return models.initialise(network(), jax.random.key(0), (64, 64, 3))


def test_a_class_for_every_place_of_the_fine_level(variables):
    x = jax.random.uniform(jax.random.key(1), (2, 64, 64, 3))
    outputs, state = jax.jit(lambda x: models.apply(network(), *variables, x, True))(x)
    assert outputs.shape == (2, 16, 16, 5)
    assert outputs.dtype == jnp.float32
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state, variables[1])
    assert all(jax.tree.leaves(moved["head"]))


def test_weights_serve_every_output_stride_and_size(variables):
    shapes = [
        jax.tree.map(jnp.shape, models.initialise(network(stride), jax.random.key(0), (96, 64, 3)))
        for stride in (16, 32)
    ]
    assert shapes == [jax.tree.map(jnp.shape, variables)] * 2


def test_dilations_look_at_the_same_part_of_the_image_at_every_output_stride():
    found = {stride: DeepLab(8, stride)(3).rates for stride in (8, 16, 32)}
    assert found == {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}


def test_equal_settings_make_equal_networks():
    assert network() == network()
    assert hash(network()) == hash(network())
    assert network() != network(fine="stage2")


def test_the_head_is_what_comes_after_the_features(variables):
    x = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3))
    params, state = variables
    found, _ = models.features(network(), params, state, x)
    answered = models.head(network(), params, found, state)
    np.testing.assert_allclose(answered, models.apply(network(), params, state, x)[0], rtol=1e-5)


def test_a_level_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"fine='stage9'.*stem, stage1"):
        models.initialise(network(fine="stage9"), jax.random.key(0), (32, 32, 3))


def test_resizing_is_bilinear_and_the_identity_at_the_same_size():
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    assert resized(x, (2, 2)) is x
    rows = resized(x, (4, 2))[0, :, 0, 0]
    np.testing.assert_allclose(rows, [0, 0.5, 1.5, 2])
