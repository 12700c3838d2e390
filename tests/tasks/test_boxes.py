import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.tasks.boxes import giou, iou, suppress


def random_boxes(seed, count, size=20):
    corners = np.random.default_rng(seed).integers(0, size, (count, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1) + 1], -1).astype(np.float32)


def counted(one, other, size=24):
    """Return (intersection, union) of two boxes of whole pixels by counting these."""
    masks = []
    for top, left, bottom, right in (one, other):
        mask = np.zeros((size, size), bool)
        mask[int(top) : int(bottom), int(left) : int(right)] = True
        masks.append(mask)
    return (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_overlap_is_that_of_counted_pixels(seed):
    one, other = random_boxes(seed, 8), random_boxes(seed + 1, 8)
    found, general = np.asarray(iou(one, other)), np.asarray(giou(one, other))
    for index, (a, b) in enumerate(zip(one, other, strict=True)):
        both, union = counted(a, b)
        assert found[index] == pytest.approx(both / union, abs=1e-6)
        whole = np.concatenate([np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])])
        sides = whole[2:] - whole[:2]
        expected = both / union - (sides.prod() - union) / sides.prod()
        assert general[index] == pytest.approx(expected, abs=1e-6)


def test_empty_boxes_overlap_nothing():
    empty, box = jnp.array([5.0, 5, 5, 9]), jnp.array([0.0, 0, 8, 8])
    assert iou(empty, box) == 0
    assert iou(empty, empty) == 0
    assert jnp.isfinite(giou(empty, empty))


def greedy(boxes, scores, labels, threshold):
    """Return the indices that are kept, by the textbook loop."""
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if not np.isfinite(scores[index]):
            continue
        rivals = [k for k in kept if labels[k] == labels[index]]
        if all(float(iou(boxes[index], boxes[k])) <= threshold for k in rivals):
            kept.append(index)
    return set(kept)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.25, 0.5]))
def test_suppression_is_the_greedy_loop(seed, threshold):
    rng = np.random.default_rng(seed)
    boxes, labels = random_boxes(seed, 24), rng.integers(0, 2, 24)
    scores = (rng.integers(0, 6, 24) / 6).astype(np.float32)  # with ties
    scores[rng.random(24) < 0.2] = -np.inf
    found = np.asarray(suppress(boxes, jnp.asarray(scores), labels, threshold))
    kept = set(np.flatnonzero(np.isfinite(found)).tolist())
    assert kept == greedy(boxes, scores, labels, threshold)
    assert (found[list(kept)] == scores[list(kept)]).all()


def test_boxes_of_other_classes_are_left_alone():
    boxes = jnp.tile(jnp.array([[0.0, 0, 4, 4]]), (3, 1))
    found = suppress(boxes, jnp.array([0.2, 0.9, 0.5]), jnp.array([0, 0, 1]), 0.5)
    assert np.isfinite(np.asarray(found)).tolist() == [False, True, True]
