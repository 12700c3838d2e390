"""Places of levels, and which of them is to see which box, against a loop over both."""

import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.tasks.places import assigned, boxes_at, places_of

GRIDS, SIZE = [(8, 12), (4, 6), (2, 3)], (32, 48)
PLACES = places_of(GRIDS, SIZE)


def random_boxes(seed, images=6, count=5):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 1, (images, count, 2, 2)) * SIZE
    boxes = np.concatenate([corners.min(2), corners.max(2)], -1).astype(np.float32)
    classes = rng.integers(-1, 3, (images, count)).astype(np.int32)
    boxes[0, 0, 2:] = boxes[0, 0, :2]  # one that has left the image
    return boxes, classes, rng.random((images, count)) < 0.2


def test_places_lie_in_the_middle_of_their_part_of_the_image():
    assert PLACES.middles[:2].tolist() == [[2, 2], [2, 6]]
    assert PLACES.middles[8 * 12].tolist() == [4, 4]
    assert PLACES.strides[-1].tolist() == [16, 16]
    assert len(PLACES.middles) == 96 + 24 + 6
    limits = {(low, high) for low, high in zip(PLACES.low, PLACES.high, strict=True)}
    assert limits == {(0, 32), (32, 64), (64, np.inf)}


def by_loop(places, boxes, classes, crowd):
    """Return the class and the box that a place is to see, and whether it is judged."""
    found = []
    for (down, right), stride, low, high in zip(*places, strict=True):
        best, crowded = None, False
        for (top, left, bottom, end), label, many in zip(boxes, classes, crowd, strict=True):
            sides = down - top, right - left, bottom - down, end - right
            if label < 0 or min(sides) <= 0:
                continue
            crowded |= bool(many)
            near = abs(down - (top + bottom) / 2) < 1.5 * stride[0]
            near &= abs(right - (left + end) / 2) < 1.5 * stride[1]
            area = (bottom - top) * (end - left)
            if near and low < max(sides) <= high and not many and (best is None or area < best[0]):
                best = area, label, (top, left, bottom, end)
        found.append((-1, (0, 0, 0, 0), not crowded) if best is None else (*best[1:], True))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_place_sees_the_smallest_box_of_its_size_whose_middle_is_near(seed):
    boxes, classes, crowd = random_boxes(seed)
    found = assigned(PLACES, *map(jnp.asarray, (boxes, classes, crowd)))
    seen = 0
    for image in range(len(boxes)):
        expected = by_loop(PLACES, boxes[image], classes[image], crowd[image])
        for place, (label, box, judged) in enumerate(expected):
            assert found.classes[image, place] == label
            np.testing.assert_allclose(found.boxes[image, place], box)
            assert found.counted[image, place] == judged
            seen += label >= 0
    assert seen > 20
    assert (found.seeing == (found.classes >= 0)).all()


def test_the_middle_counts_1_and_the_sides_0():
    # The place (18, 18) of the first level.
    for box, centre in (
        ((10, 10, 26, 26), 1),
        ((14, 10, 26, 26), (4 / 8) ** 0.5),
        ((14, 14, 30, 26), (4 / 12 * 4 / 8) ** 0.5),
    ):
        boxes = jnp.array([[box]], jnp.float32)
        found = assigned(PLACES, boxes, jnp.zeros((1, 1), int), jnp.zeros((1, 1), bool))
        assert found.centre[0, 4 * 12 + 4] == pytest.approx(centre)
        assert found.centre[0, 0] == 0


def test_the_distances_to_its_sides_give_the_box_back():
    box = np.array([3.0, 5, 30, 41], np.float32)
    middles, strides = np.tile(PLACES.middles, 2), np.tile(PLACES.strides, 2)
    away = (middles - box) * [1, 1, -1, -1] / strides
    np.testing.assert_allclose(boxes_at(PLACES, jnp.asarray(away))[5], box, rtol=1e-5)
