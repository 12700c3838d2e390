import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import check_resize, make_transform
from rtickets.errors import InputError
from rtickets.settings import config_files


def keys_for(batch, seed=0):
    return jax.random.split(jax.random.key(seed), batch)


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def images():
    """64 images without equal pixels, none of them 0, so that shifts can be told apart."""
    pixels = (jnp.arange(5 * 4 * 2.0) + 1) / 41
    return jnp.broadcast_to(pixels.reshape(5, 4, 2), (64, 5, 4, 2))


def shifts_of(image, crop, pad):
    """Return the windows (top, left) of the padded image that equal the crop."""
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    height, width, _ = image.shape
    places = [(top, left) for top in range(2 * pad + 1) for left in range(2 * pad + 1)]
    return [
        (top, left)
        for top, left in places
        if (padded[top : top + height, left : left + width] == crop).all()
    ]


def test_pixels_are_scaled_to_the_unit_interval():
    scaled = Transform().prepare(jnp.array([0, 51, 255], jnp.uint8).reshape(1, 1, 3, 1))
    assert scaled.dtype == jnp.float32
    np.testing.assert_allclose(scaled.ravel(), [0, 0.2, 1], rtol=1e-7)


def test_grey_is_repeated_to_colour():
    grey = random_images(2, 3, 3, 1)
    colour = Transform(channels=3).prepare(grey)
    np.testing.assert_array_equal(colour, np.repeat(np.float32(grey) / np.float32(255), 3, -1))


def test_colour_becomes_grey_by_its_luma():
    primaries = np.eye(3, dtype=np.uint8).reshape(1, 1, 3, 3) * 255
    grey = Transform(channels=1).prepare(primaries)
    np.testing.assert_allclose(grey.ravel(), [0.299, 0.587, 0.114], rtol=1e-6)
    white = Transform(channels=1).prepare(np.full((1, 2, 2, 3), 255, np.uint8))
    np.testing.assert_array_equal(white, np.ones((1, 2, 2, 1)))


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_that_fit_stay(channels):
    images = random_images(1, 2, 2, channels)
    kept = Transform(channels=channels).prepare(images)
    np.testing.assert_array_equal(kept, Transform().prepare(images))


def test_resizing_interpolates_linearly():
    ramp = np.array([0, 100, 200], np.uint8).reshape(1, 1, 3, 1).repeat(3, 1)
    resized = Transform(size=(6, 6)).prepare(ramp)
    expected = np.array([0, 25, 75, 125, 175, 200]) / 255
    np.testing.assert_allclose(resized, np.broadcast_to(expected[:, None], (1, 6, 6, 1)), atol=1e-6)


def test_shrinking_averages_instead_of_dropping_pixels():
    stripes = np.tile(np.array([255, 0, 0, 0], np.uint8), 3).reshape(1, 1, 12, 1).repeat(12, 1)
    shrunk = Transform(size=(3, 3)).prepare(stripes)
    np.testing.assert_allclose(shrunk[:, :, 1], 0.25, atol=1e-6)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (Transform(), (5, 4, 3)),
        (Transform(size=(6, 6)), (6, 7, 3)),
        (Transform(size=(6, 6)), (6, 6, 1)),
        (Transform(size=(3, 3), channels=1), (5, 4, 3)),
        (Transform(channels=3, crop_padding=2, flip=True), (4, 4, 1)),
    ],
)
def test_the_shape_is_foretold(transform, shape):
    prepared = transform.prepare(random_images(2, *shape))
    assert prepared.shape == (2, *transform.output_shape(shape))
    assert prepared.min() >= 0
    assert prepared.max() <= 1
    assert transform.augment(keys_for(2), prepared).shape == prepared.shape


def test_without_crop_and_flip_images_stay_the_same(images):
    assert Transform().augment(keys_for(64), images) is images


def test_a_crop_is_a_window_of_the_padded_image(images):
    crops = Transform(crop_padding=2).augment(keys_for(64), images)
    found = [shifts_of(images[0], crop, 2) for crop in np.asarray(crops)]
    assert all(len(shifts) == 1 for shifts in found)
    assert {shifts[0][0] for shifts in found} == set(range(5))
    assert {shifts[0][1] for shifts in found} == set(range(5))
    assert len({shifts[0] for shifts in found}) > 15


def test_a_flip_mirrors_left_and_right_in_about_half_the_images(images):
    flipped = np.asarray(Transform(flip=True).augment(keys_for(64), images))
    mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
    same = (flipped == images).all((1, 2, 3))
    assert (mirrored ^ same).all()
    assert 16 < mirrored.sum() < 48


def test_an_image_is_augmented_by_its_own_key_alone():
    transform = Transform(crop_padding=1, flip=True)
    keys, images = keys_for(6), np.float32(random_images(6, 4, 4, 1)) / 255
    whole = np.asarray(transform.augment(keys, images))
    order = np.array([4, 1])
    np.testing.assert_array_equal(whole[order], transform.augment(keys[order], images[order]))


def test_the_same_keys_give_the_same_images_and_others_do_not(images):
    transform = Transform(crop_padding=2)
    first, again = (transform.augment(keys_for(64), images) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != transform.augment(keys_for(64, seed=1), images)).any()


def test_a_random_resized_crop_is_a_stretched_part_of_the_image():
    rows, columns = np.mgrid[:12, :10]
    image = np.stack([20 * rows, 25 * columns, 0 * rows], -1).astype(np.uint8)
    images = np.broadcast_to(image, (64, *image.shape))
    transform = Transform(size=(6, 6), random_crop=(0.2, 0.6))
    crops = np.asarray(jax.jit(transform.training_input)(keys_for(64), images)) * 255
    tall = (crops[:, -1, 0, 0] - crops[:, 0, 0, 0]) / 20 * 6 / 5  # from the slope of the rows
    wide = (crops[:, 0, -1, 1] - crops[:, 0, 0, 1]) / 25 * 6 / 5
    area = tall * wide / 120
    assert 0.15 < area.min() < 0.35
    assert 0.45 < area.max() < 0.75
    assert len({tuple(corner) for corner in crops[:, 0, 0, :2].round()}) > 30
    prepared = transform.prepare(images[:1])
    np.testing.assert_allclose(prepared, Transform(size=(6, 6)).prepare(images[:1]))


def test_native_size_and_upscaling_differ_in_the_configuration_alone():
    images = random_images(2, 32, 32, 3)
    native = make_transform(DataConfig(source="npz", crop_padding=4, flip=True))
    upscaled = make_transform(
        DataConfig(
            source="npz", image_size=48, resize=54, flip=True, random_resized_crop=True,
            color_jitter=0.1, lighting=0.05,
        )
    )  # fmt: skip
    assert native.training_input(keys_for(2), images).shape == (2, 32, 32, 3)
    x = jax.jit(upscaled.training_input)(keys_for(2), images)
    assert x.shape == upscaled.prepare(images).shape == (2, 48, 48, 3)
    assert x.min() >= 0
    assert x.max() <= 1


def test_resizing_the_short_side_and_cropping_the_centre_is_that_of_image_libraries():
    image = random_images(1, 40, 30, 3)
    expected = Image.fromarray(image[0]).resize((54, 72), Image.Resampling.BICUBIC)
    expected = np.asarray(expected.crop((3, 12, 51, 60)), np.float32) / 255
    ours = Transform(size=(48, 48), resize=54, method="bicubic").prepare(image)[0]
    assert np.abs(ours - expected).mean() < 1 / 255


def test_all_randomness_is_the_example_s_own():
    transform = Transform((8, 8), None, 0, True, random_crop=(0.1, 1.0), jitter=0.2, lighting=0.1)
    keys, images = keys_for(6), random_images(6, 12, 12, 3)
    augment = jax.jit(transform.training_input)
    whole = np.asarray(augment(keys, images))
    order = np.array([4, 1])
    part = augment(keys[order], images[order])
    np.testing.assert_allclose(part, whole[order], atol=1e-6)
    again = augment(keys, images)
    np.testing.assert_array_equal(again, whole)


def test_colours_of_grey_images_cannot_change():
    with pytest.raises(InputError, match=r"color_jitter=0\.1 .* data\.channels=3"):
        Transform(jitter=0.1).training_input(keys_for(1), random_images(1, 4, 4, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"random_resized_crop": True, "crop_padding": 2}, "crop_padding"),
        ({"crop_scale": (0.5, 0.2)}, "not \\(smallest, largest\\)"),
        ({"resize": 200, "image_size": 224}, "resize=200"),
        ({"color_jitter": 1.5}, "color_jitter"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        config_files.parse(DataConfig, changes)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (DataConfig(source="fashion_mini"), Transform(crop_padding=2, flip=True)),
        (DataConfig(source="mnist5k"), Transform(crop_padding=2, flip=False)),
        (DataConfig(source="digits", flip=True), Transform(flip=True)),
        (DataConfig(source="fashion_mini", crop_padding=0, flip=False), Transform()),
        (
            DataConfig(source="npz", image_size=9, channels=3, crop_padding=1),
            Transform(size=(9, 9), channels=3, crop_padding=1),
        ),
    ],
)
def test_the_source_fills_in_what_the_configuration_leaves_open(config, expected):
    assert make_transform(config) == expected


def test_an_unknown_source_is_named():
    with pytest.raises(InputError, match="source='cifra'"):
        make_transform(DataConfig(source="cifra"))


@pytest.mark.parametrize(
    "options", [{"resize": 16}, {"resize": 12}, {}, {"image_size": 8}], ids=str
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_folder_and_an_archive_of_the_same_pictures_give_the_same_pixels(
    tmp_path, options, interpolation
):
    """Also where the stored size is the one asked for: the short side is scaled all the same."""
    pixels = random_images(20, 12, 12, 3)
    for number, image in enumerate(pixels):
        path = tmp_path / "images" / "ab"[number // 10] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    np.savez(tmp_path / "set.npz", x_train=pixels, y_train=np.arange(20) // 10)
    options = {"image_size": 12, "interpolation": interpolation, **options}
    seen = []
    for source, path, stream in (
        ("npz", "set.npz", None), ("folder", "images", None), ("folder", "images", True)
    ):  # fmt: skip
        config = DataConfig(source=source, path=str(tmp_path / path), stream=stream, **options)
        task = data.load(config)
        transform = make_transform(config).left_to_do(task)
        seen.append(np.asarray(transform.prepare(np.asarray(task.test.images))))
    # on the host, 8 bits between the two passes, which cut off what bicubic filters overshoot
    assert np.abs(seen[0] - seen[1]).mean() < 1 / 255
    assert np.abs(seen[0] - seen[1]).max() < (3 if interpolation == "bilinear" else 20) / 255
    np.testing.assert_array_equal(seen[1], seen[2])
    if "resize" not in options and options["image_size"] == 12:
        np.testing.assert_array_equal(seen[0], seen[1])


def test_scaling_without_a_size_to_cut_out_is_refused():
    with pytest.raises(InputError, match=r"data\.resize=36 .* set data\.image_size"):
        check_resize(DataConfig(source="npz", resize=36))
    check_resize(DataConfig(source="npz", resize=36, image_size=32))
    check_resize(DataConfig(source="dtd", resize=300))  # of 224 pixels by default
