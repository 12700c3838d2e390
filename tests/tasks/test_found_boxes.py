"""From answers of places to boxes, against a loop in NumPy."""

import jax
import numpy as np
import pytest

from rtickets.tasks.found_boxes import Choice, found_boxes
from rtickets.tasks.places import places_of

SIZE, CLASSES = (24, 32), 3
PLACES = places_of([(6, 8), (3, 4)], SIZE)


def answers(seed, images=3):
    rng = np.random.default_rng(seed)
    count = len(PLACES.middles)
    likely = rng.normal(-1, 2, (images, count, CLASSES))
    likely[:, : count // 3] = likely[:, :1]  # ties
    sides = rng.uniform(0.1, 4, (images, count, 4))
    return np.concatenate([likely, sides, rng.normal(0, 1, (images, count, 1))], -1).astype("f4")


def overlap(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    both = np.maximum(high - low, 0).prod()
    return both / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - both)


def by_loop(one, choice):
    """Return (score, class, box) of the boxes of an image, the best first."""
    found = []
    for place, (middle, stride) in enumerate(zip(PLACES.middles, PLACES.strides, strict=True)):
        top, left, bottom, right = one[place, CLASSES : CLASSES + 4]
        box = np.array([
            middle[0] - top * stride[0], middle[1] - left * stride[1],
            middle[0] + bottom * stride[0], middle[1] + right * stride[1],
        ])  # fmt: skip
        inside = np.clip(box, 0, [*SIZE, *SIZE])
        for label in range(CLASSES):
            logits = one[place, [label, -1]].astype(float)
            score = np.sqrt(np.prod(1 / (1 + np.exp(-logits))))
            found.append((score, label, inside))
    ranked = sorted(found, key=lambda each: -each[0])[: choice.candidates]
    kept = []
    for score, label, box in ranked:
        if score < choice.least:
            continue
        rivals = [other for _, name, other in kept if name == label]
        if all(overlap(box, other) <= choice.overlap for other in rivals):
            kept.append((score, label, box))
    return kept[: choice.kept]


@pytest.mark.parametrize(
    "choice", [Choice(1000, 100, 0.05, 0.6), Choice(40, 5, 0.3, 0.2), Choice(7, 100, 0.0, 0.9)]
)
def test_they_are_those_of_the_loop(choice):
    given = answers(0)
    find = jax.jit(lambda z: found_boxes(z, PLACES, SIZE, choice))
    found = find(given)
    for image in range(len(given)):
        expected = by_loop(given[image], choice)
        count = len(expected)
        assert count
        assert (found.classes[image] >= 0).sum() == count
        scores = np.asarray(found.scores[image])
        np.testing.assert_allclose(scores[:count], [each[0] for each in expected], rtol=1e-4)
        assert (scores[count:] == 0).all()
        assert not np.asarray(found.boxes[image, count:]).any()
        named = zip(found.classes[image, :count], found.boxes[image, :count], strict=True)
        ours = sorted((int(n), *np.round(np.asarray(b), 2).tolist()) for n, b in named)
        theirs = sorted((n, *np.round(b, 2).tolist()) for _, n, b in expected)
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_nothing_is_found_where_nothing_is_sure_enough():
    found = found_boxes(answers(1), PLACES, SIZE, Choice(50, 10, 1.1, 0.5))
    assert (np.asarray(found.classes) == -1).all()
    assert not np.asarray(found.scores).any()


def test_a_box_far_larger_than_the_image_is_cut_off_at_it():
    given = np.full((1, len(PLACES.middles), CLASSES + 5), -20, np.float32)
    given[0, 0] = [20, -20, -20, 1e3, 1e3, 1e3, 1e3, 20]
    found = found_boxes(given, PLACES, SIZE, Choice(50, 10, 0.05, 0.5))
    assert np.asarray(found.boxes)[0, 0].tolist() == [0, 0, *SIZE]
    assert np.asarray(found.classes)[0].tolist() == [0, *[-1] * 9]
