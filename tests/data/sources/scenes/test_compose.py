import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.data.sources.scenes.compose import BACKGROUND, IGNORED, OBJECTS, compose
from rtickets.data.sources.scenes.cutouts import Cutout
from rtickets.errors import InputError

SIZE = 32
PHOTOGRAPH = np.full((40, 50, 3), (0, 255, 0), np.uint8)


def cutouts(opacity=255):
    """Return a disc of red and a square of blue."""
    rows, columns = np.ogrid[:20, :20]
    disc = np.zeros((20, 20, 4), np.uint8)
    disc[..., 0] = 255
    disc[..., 3] = opacity * ((rows - 9.5) ** 2 + (columns - 9.5) ** 2 < 90)
    square = np.zeros((12, 12, 4), np.uint8)
    square[..., 2], square[..., 3] = 255, opacity
    return [Cutout(disc, 0, "disc"), Cutout(square, 1, "square")]


def scene(seed, parts=None):
    return compose([PHOTOGRAPH], parts or cutouts(), np.random.default_rng(seed), SIZE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mask_says_what_each_pixel_shows(seed):
    made = scene(seed)
    assert made.image.shape == (SIZE, SIZE, 3)
    assert made.image.dtype == made.mask.dtype == np.uint8
    red, blue = made.image[made.mask == 1], made.image[made.mask == 2]
    assert (red[:, 0] > 150).all()
    assert (blue[:, 2] > 150).all()
    # The outline of an object beneath another's opaque pixels is the only place left.
    ground = made.image[made.mask == BACKGROUND]
    assert (ground[:, 1] > 150).all()
    assert set(np.unique(made.mask)) <= {BACKGROUND, 1, 2, IGNORED}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_boxes_are_tight_around_what_can_be_seen(seed):
    made = scene(seed)
    count = (made.classes >= 0).sum()
    assert 1 <= count <= OBJECTS
    assert (made.classes[count:] == -1).all()
    assert (made.boxes[count:] == 0).all()
    covered = np.zeros((SIZE, SIZE), bool)
    for (top, left, bottom, right), label in zip(
        made.boxes[:count].astype(int), made.classes, strict=False
    ):
        assert 0 <= top < bottom <= SIZE
        assert 0 <= left < right <= SIZE
        part = made.mask[top:bottom, left:right] == label + 1
        for edge in (part[0], part[-1], part[:, 0], part[:, -1]):
            assert edge.any()
        covered[top:bottom, left:right] = True
    assert covered[(made.mask != BACKGROUND) & (made.mask != IGNORED)].all()
    assert made.label in made.classes


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_keypoints_are_of_the_object_of_which_most_can_be_seen(seed):
    made = scene(seed)
    (middle, *corners), sight = made.keypoints[:, :2], made.keypoints[:, 2]
    (top, left), (_, right), (bottom, _), last = corners
    assert (sight == 2).all()
    assert last.tolist() == [bottom, right]
    np.testing.assert_allclose(middle, [(top + bottom) / 2, (left + right) / 2])
    same = (made.boxes == np.array([top, left, bottom, right])).all(1)
    assert made.classes[same.argmax()] == made.label
    assert same.any()
    assert 1 <= made.area <= (bottom - top) * (right - left)
    # no other class has more in sight, and of one class nothing is counted twice
    counts = [(made.mask == label + 1).sum() for label in set(made.classes[made.classes >= 0])]
    assert made.area <= (made.mask == made.label + 1).sum()
    assert made.area >= max(counts) / OBJECTS


def test_a_scene_depends_on_its_generator_alone():
    for one, other in zip(scene(3), scene(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (scene(3).image != scene(4).image).any()


def test_what_is_half_transparent_is_neither_object_nor_ground():
    clear = [part for part in cutouts(127) if part.label == 0]
    solid = [part for part in cutouts() if part.label == 1]
    masks = [scene(seed, clear + solid).mask for seed in range(20)]
    assert all((mask != 1).all() for mask in masks)
    assert all((mask == 2).any() for mask in masks)
    with pytest.raises(InputError, match="none can be seen"):
        scene(0, clear)


def test_the_outline_of_an_object_is_ignored():
    soft = cutouts()[0]
    soft.pixels[..., 3] = np.where(soft.pixels[:, ::-1, 3] == 0, 127, soft.pixels[..., 3])
    masks = [scene(seed, [soft]).mask for seed in range(5)]
    assert all((mask == IGNORED).any() for mask in masks)


def test_classes_are_equally_frequent_however_many_cutouts_they_have():
    parts = [cutouts()[0]] * 9 + [cutouts()[1]]
    labels = np.concatenate([scene(seed, parts).classes for seed in range(300)])
    share = (labels == 1).sum() / (labels >= 0).sum()
    assert share == pytest.approx(0.5, abs=0.08)
