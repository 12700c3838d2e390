"""Boxes move with their images, and say so where the image has lost them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.augment import Transform
from rtickets.data.images.moved_boxes import (
    clipped,
    mirrored,
    shifted,
    still_there,
    stretched,
)
from rtickets.data.images.streamed_boxes import StreamedBoxes


def drawn(size, count=12, seed=0):
    """Return images that are black but for one white box each, and the boxes (N, 1, 4)."""
    rng = np.random.default_rng(seed)
    images, found = np.zeros((count, *size, 1), np.uint8), np.zeros((count, 1, 4), np.float32)
    for image, box in zip(images, found, strict=True):
        top, left = rng.integers(0, [size[0] - 14, size[1] - 14])
        height, width = rng.integers(8, 15, 2)
        image[top : top + height, left : left + width] = 255
        box[0] = top, left, min(top + height, size[0]), min(left + width, size[1])
    return images, found


def seen(image):
    """Return the box around what is white; None where nothing is."""
    white = np.asarray(image)[..., 0] > 0.5
    if not white.any():
        return None
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


def compare(images, boxes, slack):
    kept = 0
    for image, (box,) in zip(images, np.asarray(boxes), strict=True):
        around = seen(image)
        if box.any():
            np.testing.assert_allclose(box, around, atol=slack)
            kept += 1
    return kept


@pytest.mark.parametrize(
    ("transform", "slack"),
    [
        (Transform(), 0),
        (Transform(flip=True), 0),
        (Transform(crop_padding=6, flip=True), 0),
        (Transform(size=(48, 64), flip=True), 1),
        (Transform(size=(24, 24), resize=32, flip=True), 1),
        (Transform(size=(32, 32), random_crop=(0.5, 1.0), flip=True), 1),
        (Transform(size=(24, 32), random_scale=(0.7, 1.5), flip=True), 1),
    ],
)
def test_a_box_stays_around_what_it_was_around(transform, slack):
    images, boxes = drawn((32, 40))
    keys = jax.random.split(jax.random.key(1), len(images))
    moved = transform.training_boxes(keys, boxes, images.shape[1:])
    assert compare(transform.training_input(keys, images), moved, slack) >= 5
    plain = transform.prepare_boxes(boxes, images.shape[1:])
    assert compare(transform.prepare(images), plain, slack) >= 5
    assert (np.asarray(plain) >= 0).all()


@pytest.mark.parametrize("xp", [np, jnp])
def test_by_hand(xp):
    box = xp.asarray([[10.0, 20, 30, 50]])
    assert np.asarray(stretched(xp, box, (5, 10, 50, 80), (100, 40)))[0].tolist() == [10, 5, 50, 20]
    assert np.asarray(shifted(xp, box, 1, -2))[0].tolist() == [11, 18, 31, 48]
    assert np.asarray(mirrored(xp, box, 100))[0].tolist() == [10, 50, 30, 80]


@pytest.mark.parametrize("xp", [np, jnp])
def test_what_is_cut_off_is_clipped_and_an_object_that_is_lost_is_absent(xp):
    size = (20, 30)
    for box, expected, kept in (
        ((2, 3, 9, 12), (2, 3, 9, 12), True),
        ((-5, 20, 10, 40), (0, 20, 10, 30), True),  # more than a quarter is left
        ((-10, 25, 10, 60), (0, 25, 10, 30), False),  # less
        ((-3e38, -3e38, 3e38, 3e38), (0, 0, 20, 30), False),  # its area overflows
        ((20, 0, 25, 10), (0, 0, 0, 0), True),
        ((4, 4, 4, 9), (0, 0, 0, 0), True),
        ((3.0, 3.0, 3.2, 3.3), (3.0, 3.0, 3.2, 3.3), True),  # small is not cut off
    ):
        boxes, inside = xp.asarray([box], xp.float32), np.float32(expected)
        with np.errstate(over="ignore", invalid="ignore"):
            answered = clipped(xp, boxes, size)
            true, crowd = (still_there(xp, boxes, size, xp.asarray([c])) for c in (False, True))
        np.testing.assert_allclose(np.asarray(answered)[0], inside)
        np.testing.assert_allclose(np.asarray(crowd)[0], inside)
        np.testing.assert_allclose(np.asarray(true)[0], inside if kept else 0 * inside)


TRUE = np.float32([[[0, 0, 4, 12], [0, 0, 4, 12], [4, 4, 8, 8]]])
CROWD = np.array([[False, True, False]])
CENTRED = Transform(size=(8, 8), resize=8)


def test_what_a_crop_leaves_of_a_crowd_stays():
    """Of an image of 8 x 32 the middle is seen: none of these boxes, or a sixth of the second."""
    shape, wide = (8, 32, 3), TRUE + np.float32([0, 2, 0, 2])
    expected = [[0, 0, 0, 0], [0, 0, 4, 2], [0, 0, 0, 0]]
    moved = CENTRED.prepare_boxes(wide, shape, CROWD)
    assert np.asarray(moved)[0].tolist() == expected
    keys = jax.random.split(jax.random.key(0), 1)
    trained = CENTRED.training_boxes(keys, wide, shape, CROWD)
    assert np.asarray(trained)[0].tolist() == expected
    sizes = np.array([shape[:2]])
    streamed = StreamedBoxes(wide, sizes, CROWD, np.arange(1), CENTRED.view)
    assert np.asarray(streamed)[0].tolist() == expected
