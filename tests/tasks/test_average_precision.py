"""Average precision, against pycocotools as it is commonly called, and against plain loops."""

import contextlib
import io

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rtickets.errors import InputError
from rtickets.tasks.accuracy import wilson
from rtickets.tasks.average_precision import jackknife, measured_precision
from rtickets.tasks.box_matches import Boxes, judged_boxes


def random_case(seed, images=12, true=4, found=9, classes=3, ties=True, crowds=0.2):
    """Return boxes of which some are found well, some twice, some badly and some not at all."""
    rng = np.random.default_rng(seed)

    def corners(count):
        ends = rng.uniform(0, 64, (images, count, 2, 2))
        return np.concatenate([ends.min(2), ends.max(2) + 1], -1).astype(np.float32)

    boxes, answers = corners(true), corners(found)
    labels = rng.integers(-1, classes, (images, true))
    named = rng.integers(-1, classes, (images, found))
    copied = rng.integers(0, true, (images, found))
    near = rng.random((images, found)) < 0.7
    rows = np.arange(images)[:, None]
    noisy = boxes[rows, copied] + rng.normal(0, 2, answers.shape)
    noisy[..., 2:] = np.maximum(noisy[..., 2:], noisy[..., :2] + 1)
    answers = np.where(near[..., None], noisy, answers).astype(np.float32)
    named = np.where(near & (labels[rows, copied] >= 0), labels[rows, copied], named)
    scores = rng.integers(1, 9, named.shape) / 9 if ties else rng.random(named.shape)
    scores = -np.sort(-scores, 1).astype(np.float32)
    return Boxes(boxes, labels, rng.random(labels.shape) < crowds, answers, scores, named)


def by_pycocotools(case):
    """Return AP, AP50 and AP75 as its own summary says."""
    true, found = [], []
    for image, place in np.argwhere(case.classes >= 0):
        top, left, bottom, right = case.boxes[image, place].astype(float).tolist()
        true.append({
            "id": len(true) + 1, "image_id": int(image), "iscrowd": int(case.crowd[image, place]),
            "category_id": int(case.classes[image, place]),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
        })  # fmt: skip
    for image, place in np.argwhere(case.named >= 0):
        top, left, bottom, right = case.found[image, place].astype(float).tolist()
        found.append({
            "image_id": int(image), "category_id": int(case.named[image, place]),
            "bbox": [left, top, right - left, bottom - top],
            "score": float(case.scores[image, place]),
        })  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": number} for number in range(len(case.boxes))],
            "categories": [{"id": number} for number in range(5)],
            "annotations": true,
            "info": {},
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:3].tolist()


def by_loops(case, overlap=0.5):
    """Return VOC's 11-point AP, the mean over classes with a true box."""
    values = []
    for label in range(5):
        positives = ((case.classes == label) & ~case.crowd).sum()
        if not positives:
            continue
        answers = [(-case.scores[i, k], i, k) for i, k in np.argwhere(case.named == label).tolist()]
        taken, hits, misses, curve = set(), 0, 0, []
        for _, image, place in sorted(answers):
            best, which = -1.0, None
            for other in np.flatnonzero(case.classes[image] == label).tolist():
                if (
                    shared := overlap_of(case.found[image, place], case.boxes[image, other])
                ) > best:
                    best, which = shared, other
            if which is not None and best >= overlap:
                if case.crowd[image, which]:
                    continue
                hits += (image, which) not in taken
                misses += (image, which) in taken
                taken.add((image, which))
            else:
                misses += 1
            curve.append((hits, hits / (hits + misses)))
        levels = []
        for tenth in range(11):
            reached = [p for h, p in curve if 10 * h >= tenth * positives]
            levels.append(max(reached, default=0))
        values.append(np.mean(levels))
    return float(np.mean(values))


def overlap_of(one, other):
    one, other = one.astype(float), other.astype(float)
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    both = max(height, 0) * max(width, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_that_of_pycocotools_and_of_voc(seed):
    case = random_case(seed, ties=seed % 2 == 0, crowds=0.2 * (seed % 3))
    found = measured_precision(case).means
    ours = [found[name].value for name in ("ap", "ap50", "ap75")]
    np.testing.assert_allclose(ours, by_pycocotools(case), rtol=1e-12)
    assert found["ap_voc07"].value == pytest.approx(by_loops(case), rel=1e-12)
    assert 0.02 < found["ap"].value < 0.9
    of_classes = measured_precision(case).of_classes
    assert np.mean([each.value for each in of_classes.values()]) == pytest.approx(ours[0])
    for each in (*found.values(), *of_classes.values()):
        assert 0 <= each.low <= each.value <= each.high <= 1


def test_perfect_nothing_and_only_what_is_not_there():
    case = random_case(0, crowds=0)
    order = np.argsort(-case.classes, 1)
    sure = np.ones(case.classes.shape, np.float32)
    perfect = case._replace(found=case.boxes, named=case.classes, scores=sure)
    assert measured_precision(perfect).means["ap"].value == 1
    assert measured_precision(perfect).means["ap_voc07"].value == 1
    assert order.any()
    nothing = case._replace(named=np.full_like(case.named, -1))
    assert measured_precision(nothing).means["ap"].value == 0
    assert measured_precision(nothing).means["ap_voc07"].value == 0
    # Boxes of a class that no image has count nowhere.
    other = case._replace(named=np.where(case.named >= 0, 4, -1))
    found = measured_precision(other)
    assert found.means["ap"].value == 0
    assert set(found.of_classes) == {0, 1, 2}
    with pytest.raises(InputError, match="none of 12 images"):
        measured_precision(case._replace(classes=np.full_like(case.classes, -1)))
    with pytest.raises(InputError, match="none of 12 images"):
        measured_precision(case._replace(crowd=np.ones_like(case.crowd)))


def test_one_image_has_no_interval():
    case = random_case(3, images=1)
    assert measured_precision(case).means["ap"][1:3] == (0, 1)


@pytest.mark.parametrize(("right", "value"), [(True, 1), (False, 0)])
def test_all_right_or_all_wrong_of_few_images_is_not_certain(right, value):
    """One box an image, four images with class 0 and two with class 1: as accuracy would be."""
    box = np.tile(np.float32([0, 0, 8, 8]), (6, 1, 1))
    classes = np.array([[0]] * 4 + [[1]] * 2)
    named = classes if right else np.full_like(classes, -1)
    boxes = Boxes(box, classes, np.zeros((6, 1), bool), box, np.ones((6, 1), np.float32), named)
    found = measured_precision(boxes)
    for number, images in ((0, 4), (1, 2)):
        one = found.of_classes[number]
        assert one.value == value
        assert (one.low, one.high) == pytest.approx(wilson(value, images))
    # of balanced accuracy over two classes: 2^2 / (1 / 4 + 1 / 2) examples
    assert found.means["ap"][1:3] == pytest.approx(wilson(value, 16 / 3))
    assert found.means["ap_voc07"][1:3] == found.means["ap"][1:3]


def test_intervals_of_a_mean_are_those_of_its_standard_error():
    values = np.random.default_rng(0).normal(0, 1, 4000)
    error = jackknife(lambda kept: values[kept].mean(keepdims=True), len(values))
    assert error[0] == pytest.approx(values.std() / len(values) ** 0.5, rel=0.4)
    assert np.isnan(jackknife(lambda kept: np.zeros(1), 1)).all()


def test_boxes_of_a_class_are_right_wrong_or_missed():
    """The better of two on one is right, one on a crowd is nothing, and one on nothing wrong."""
    true = np.float32([[[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 60, 60], [0, 40, 10, 50]]])
    found = np.float32([[[0, 0, 10, 9], [0, 0, 10, 10], [40, 40, 60, 58], [70, 0, 80, 9], [0] * 4]])
    boxes = Boxes(
        true, np.array([[1, 1, 1, 0]]), np.array([[False, False, True, False]]), found,
        np.float32([[0.5, 0.9, 0.8, 0.7, 0.0]]), np.array([[1, 1, 1, 1, -1]]),
    )  # fmt: skip
    both, kinds = judged_boxes(boxes, 1)
    np.testing.assert_array_equal(both, np.concatenate([found, true], 1))
    assert kinds.tolist() == [[1, 0, -1, 1, -1, -1, 2, -1, -1]]
    assert judged_boxes(boxes, 0)[1].tolist() == [[-1] * 5 + [-1, -1, -1, 2]]
