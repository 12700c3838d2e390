import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images import colour, random_views
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.random_views import ViewsConfig
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.tasks import SimClr

NOTHING = ViewsConfig(
    crop_scale=(1.0, 1.0), flip=0, brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0
)
PUBLISHED = {
    "simclr": (random_views.SIMCLR, (0.08, 1.0), (0.8, 0.8, 0.8, 0.2), 0.5),
    "simclr_small": (random_views.SIMCLR_SMALL, (0.08, 1.0), (0.4, 0.4, 0.4, 0.1), 0.0),
    "cvlth": (random_views.CVLTH, (0.08, 1.0), (0.8, 0.8, 0.8, 0.2), 0.0),
    "moco_v2": (random_views.MOCO_V2, (0.2, 1.0), (0.4, 0.4, 0.4, 0.1), 0.5),
}


def images(count, channels, size=9):
    return np.random.default_rng(channels).integers(0, 256, (count, size, size, channels), np.uint8)


def views_of(config, raw, seed=0, **transform):
    keys = jax.random.split(jax.random.key(seed), len(raw))
    return np.asarray(jax.jit(Transform(**transform).views, static_argnums=2)(keys, raw, config))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_strengths(name):
    views, crop, jitter, blur = PUBLISHED[name]
    assert views.crop_scale == crop
    assert (views.brightness, views.contrast, views.saturation, views.hue) == jitter
    assert (views.jitter, views.grey, views.flip) == (0.8, 0.2, 0.5)
    assert (views.blur, views.blur_sigma) == (blur, (0.1, 2.0))


@pytest.mark.parametrize("channels", [1, 3])
def test_no_strength_is_the_identity(channels):
    raw = images(4, channels)
    np.testing.assert_allclose(views_of(NOTHING, raw), raw / 255, rtol=2e-7)
    always = ViewsConfig(
        crop_scale=(1, 1), flip=0, brightness=0, contrast=0, saturation=0, hue=0.0, jitter=1,
        grey=0, blur=1, blur_sigma=(0, 0),
    )  # fmt: skip
    np.testing.assert_allclose(views_of(always, raw), raw / 255, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_views_stay_in_range_and_belong_to_their_key(channels):
    raw = images(16, channels)
    found = views_of(ViewsConfig(), raw, size=(8, 8))
    assert found.shape == (16, 8, 8, channels)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    keys = jax.random.split(jax.random.key(0), 16)
    alone = Transform(size=(8, 8)).views(keys[3:4], raw[3:4], ViewsConfig())
    np.testing.assert_allclose(alone[0], found[3], atol=1e-5)
    other = views_of(ViewsConfig(), raw, seed=1, size=(8, 8))
    assert np.abs(other - found).max((1, 2, 3)).min() > 1e-3


def test_every_change_comes_as_often_as_it_should():
    raw = np.broadcast_to(images(1, 3), (600, 9, 9, 3))
    plain = raw[0].astype(np.float32) / 255
    flips = views_of(ViewsConfig(**{**vars(NOTHING), "flip": 0.5}), raw)
    turned = np.abs(flips - plain[:, ::-1]).max((1, 2, 3)) < 1e-6
    assert turned.mean() == pytest.approx(0.5, abs=0.08)
    greys = views_of(ViewsConfig(**{**vars(NOTHING), "grey": 0.2}), raw)
    alike = np.ptp(greys, axis=-1).max((1, 2)) < 1e-6
    assert alike.mean() == pytest.approx(0.2, abs=0.08)
    bright = views_of(ViewsConfig(**{**vars(NOTHING), "brightness": 0.8}), raw)
    changed = np.abs(bright - plain).max((1, 2, 3)) > 1e-6
    assert changed.mean() == pytest.approx(0.8, abs=0.08)


def test_the_factor_of_brightness_is_uniform_around_one():
    raw = np.full((800, 2, 2, 1), 51, np.uint8)
    only = {**vars(NOTHING), "brightness": 0.8, "jitter": 1.0}
    factors = views_of(ViewsConfig(**only), raw)[:, 0, 0, 0] / 0.2
    assert factors.min() == pytest.approx(0.2, abs=0.02)
    assert factors.max() == pytest.approx(1.8, abs=0.02)
    assert factors.mean() == pytest.approx(1.0, abs=0.05)


def test_hue_against_the_standard_library():
    pixels = np.random.default_rng(0).uniform(0, 1, (60, 3)).astype(np.float32)
    pixels[:4] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]]
    expected = np.asarray([colorsys.rgb_to_hsv(*map(float, each)) for each in pixels])
    np.testing.assert_allclose(colour.to_hsv(jnp.asarray(pixels)), expected, atol=1e-5)
    for turn in (0.0, 0.3, -0.2):
        turned = [colorsys.hsv_to_rgb((h + turn) % 1, s, v) for h, s, v in expected]
        np.testing.assert_allclose(colour.hue(jnp.asarray(pixels), turn), turned, atol=1e-5)


def test_a_blur_is_a_normalised_gaussian():
    point = np.zeros((11, 11, 1), np.float32)
    point[5, 5] = 1
    found = np.asarray(random_views.blurred(point, 0.8, 5))[..., 0]
    line = np.exp(-0.5 * (np.arange(-2, 3) / 0.8) ** 2)
    line /= line.sum()
    expected = np.zeros((11, 11))
    expected[3:8, 3:8] = np.outer(line, line)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    flat = np.full((7, 5, 3), 0.25, np.float32)
    np.testing.assert_allclose(random_views.blurred(flat, 2.0, 7), flat, atol=1e-6)
    uneven = np.random.default_rng(0).uniform(0, 1, (8, 6, 3)).astype(np.float32)
    transposed = random_views.blurred(uneven.transpose(1, 0, 2), 1.0, 3)
    np.testing.assert_allclose(
        np.asarray(transposed).transpose(1, 0, 2), random_views.blurred(uneven, 1.0, 3), atol=1e-6
    )


@pytest.mark.parametrize(("side", "length"), [(224, 23), (32, 3), (28, 3), (96, 9)])
def test_the_kernel_is_a_tenth_of_the_image(side, length):
    assert random_views.kernel_length((side, side), 0.1) == length


def test_a_task_that_makes_views_gets_images_as_they_are_evaluated():
    plain = make_transform(DataConfig(source="fashion_mini"))
    assert plain.flip or plain.crop_padding
    own = make_transform(DataConfig(source="fashion_mini", task=SimClr()))
    assert not any((own.flip, own.crop_padding, own.random_crop, own.jitter, own.lighting))
    with pytest.raises(InputError, match=r"data\.flip=True.*simclr.*data\.task\.views"):
        make_transform(DataConfig(source="fashion_mini", flip=True, task=SimClr()))


def test_what_is_no_range_is_refused():
    with pytest.raises(ValueError, match=r"crop_scale=\(0\.9, 0\.1\)"):
        ViewsConfig(crop_scale=(0.9, 0.1))
    with pytest.raises(ValueError, match="hue"):
        ViewsConfig(hue=0.6)
