"""Resizing, against PIL, which common pipelines resize with."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rtickets.data.images import boxes
from rtickets.data.images.resample import resize, resize_box, weights

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def photograph(height, width, seed=0):
    """Smooth waves with noise and a hard edge, uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / a + y / b) for a, b in ((3, 7), (11, 5), (23, 31))]
    image = 128 + 60 * np.stack(waves, -1) + generator.normal(0, 20, (height, width, 3))
    image[:, width // 2 :] *= 0.7
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize(
    ("shape", "size"),
    [((32, 32), (224, 224)), ((97, 131), (64, 64)), ((300, 200), (33, 250)), ((8, 8), (28, 28))],
)
def test_resizing_is_that_of_image_libraries(method, shape, size):
    image = photograph(*shape)
    expected = np.asarray(Image.fromarray(image).resize(size[::-1], FILTERS[method]), np.float32)
    ours = np.clip(resize(image[None].astype(np.float32), size, method)[0], 0, 255)
    assert np.abs(ours - expected).mean() < 0.5
    assert np.abs(ours - expected).max() < 2


@pytest.mark.parametrize("method", FILTERS)
def test_a_box_is_resized_as_if_cut_out_first(method):
    image = photograph(60, 80)
    top, left, height, width = box = (7, 11, 40, 31)
    cut = Image.fromarray(image[top : top + height, left : left + width])
    expected = np.asarray(cut.resize((24, 48), FILTERS[method]), np.float32)
    ours = resize_box(image.astype(np.float32), jnp.array(box), (48, 24), method)
    assert np.abs(np.clip(ours, 0, 255) - expected).mean() < 0.5
    framed = np.full_like(image, 255)
    framed[top : top + height, left : left + width] = cut
    other = resize_box(framed.astype(np.float32), jnp.array(box), (48, 24), method)
    np.testing.assert_allclose(other, ours, atol=1e-3)


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize(("size_in", "size_out"), [(1, 1), (1, 9), (40, 3), (3, 40), (17, 16)])
def test_weights_add_up_to_one_so_a_constant_stays(size_in, size_out, method):
    found = weights(size_in, size_out, 0, size_in, method)
    assert found.shape == (size_out, size_in)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_the_same_size_is_the_identity():
    for method in FILTERS:
        np.testing.assert_allclose(weights(9, 9, 0, 9, method), np.eye(9), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.08, 1.0), (0.5, 0.5), (1.0, 1.0)]),
)
def test_a_random_box_lies_inside_and_has_a_permitted_shape(height, width, seed, scale):
    generator = np.random.default_rng(seed)
    draws = generator.random((boxes.ATTEMPTS, 2)), generator.random(2)
    box = boxes.random_box(np, (height, width), *draws, scale)
    top, left, tall, wide = box.tolist()
    assert top >= 0
    assert left >= 0
    assert 0 < tall <= height - top
    assert 0 < wide <= width - left
    traced = boxes.random_box(jnp, (height, width), *map(jnp.asarray, draws), scale)
    assert np.abs(np.asarray(traced) - box).max() <= 1  # float32 may round to the other side


def test_random_boxes_cover_areas_and_ratios_evenly():
    generator = np.random.default_rng(0)
    found = np.array(
        [
            boxes.random_box(
                np, (400, 500), generator.random((boxes.ATTEMPTS, 2)), generator.random(2), (0.1, 1)
            )
            for _ in range(2000)
        ]
    )
    area = found[:, 2] * found[:, 3] / (400 * 500)
    ratio = found[:, 3] / found[:, 2]
    assert 0.09 < area.min() < 0.12
    assert 0.44 < area.mean() < 0.49  # below 0.55: large boxes fit less often
    assert 0.74 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 1.35
    assert found[:, 0].max() > 250


@pytest.mark.parametrize(("shape", "box"), [((40, 8), (14, 0, 11, 8)), ((6, 60), (0, 26, 6, 8))])
def test_an_image_too_narrow_for_any_box_gives_the_largest_in_its_middle(shape, box):
    found = boxes.random_box(np, shape, np.ones((boxes.ATTEMPTS, 2)) * 0.999, np.zeros(2), (1, 1))
    assert found.tolist() == list(box)


def test_the_short_side_and_the_centre_are_those_of_common_libraries():
    assert boxes.short_side((375, 500), 256) == (256, 341)
    assert boxes.short_side((500, 375), 256) == (341, 256)
    assert boxes.short_side((32, 32), 256) == (256, 256)
    assert boxes.centre((256, 341), (224, 224)) == (16, 58)
