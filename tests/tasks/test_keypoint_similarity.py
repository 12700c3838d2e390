"""Similarity of keypoints and AP by it: by hand, and as `pycocotools` has them."""

import contextlib
import io

import numpy as np
import pytest

from rtickets.data.skeletons import COCO_PERSON, EXTENT
from rtickets.errors import NothingCountedError
from rtickets.tasks.average_precision import precisions
from rtickets.tasks.keypoint_similarity import (
    Posed,
    matches,
    measured_similarity,
    posed_of,
    similarities,
)

SIGMAS = np.array(COCO_PERSON.sigmas)


def crowd(seed, count=40, pictures=12, rounded=False):
    """Return random people, most of them found about where they are, some hardly labelled."""
    rng = np.random.default_rng(seed)
    areas = rng.uniform(200, 20_000, count)
    points = rng.uniform(0, 400, (count, 17, 2))
    spread = np.sqrt(areas)[:, None, None] * 2 * SIGMAS[:, None] * rng.uniform(0, 3, (count, 1, 1))
    found = points + spread * rng.normal(size=points.shape)
    labelled = rng.integers(0, 3, (count, 17)) * (rng.random((count, 1)) > 0.1)
    scores = rng.random(count)
    if rounded:  # ties of scores, and people that stand on each other
        scores = np.round(scores, 1)
        points[1::4], areas[1::4] = points[::4], areas[::4]
        labelled[1::4] = labelled[::4]
    keypoints = np.concatenate([points, labelled[..., None]], -1)
    return Posed(keypoints, areas, rng.integers(0, pictures, count) * 7, found, scores)


def by_pycocotools(posed):
    """Return AP, AP50 and AP75 as COCO's own evaluation counts them."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def side(points, scores=None):
        made = coco.COCO()
        annotations = []
        for number, each in enumerate(points):
            flat = np.concatenate([each[:, 1::-1], each[:, 2:]], 1).ravel().tolist()
            area = float(posed.areas[number])
            annotations.append({
                "id": number + 1, "image_id": int(posed.pictures[number]), "category_id": 1,
                "keypoints": flat, "num_keypoints": int((each[:, 2] > 0).sum()), "area": area,
                "bbox": [0, 0, 1, 1], "iscrowd": 0,
                **({} if scores is None else {"score": float(scores[number])}),
            })  # fmt: skip
        images = [{"id": int(name)} for name in np.unique(posed.pictures)]
        made.dataset = {"images": images, "categories": [{"id": 1}], "annotations": annotations}
        made.createIndex()
        return made

    found = np.concatenate([posed.found, np.ones((*posed.found.shape[:2], 1))], -1)
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(side(posed.keypoints), side(found, posed.scores), "keypoints")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, 0, 0, 0]
    ious = {pair: each for pair, each in judge.ious.items() if len(each)}
    return [precision.mean(), precision[0].mean(), precision[5].mean()], ious


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_coco_s_own_on_random_people(seed, rounded):
    posed = crowd(seed, rounded=rounded).there
    expected, ious = by_pycocotools(posed)
    found = measured_similarity(posed, SIGMAS)
    assert 0.005 < expected[0] < 0.98
    for name, value in zip(("ap", "ap50", "ap75"), expected, strict=True):
        assert found[name].value == pytest.approx(value, abs=1e-9)
        assert found[name].low <= value <= found[name].high
    for (picture, _), alike in ious.items():
        own = np.flatnonzero(posed.pictures == picture)
        order = own[np.argsort(-posed.scores[own], kind="mergesort")]
        ours = similarities(posed.keypoints[own], posed.areas[own], posed.found[order], SIGMAS)
        np.testing.assert_allclose(ours, alike, rtol=1e-9)


def test_more_than_twenty_in_a_picture_are_not_looked_at():
    posed = crowd(1, count=60, pictures=2).there
    assert by_pycocotools(posed)[0][0] == pytest.approx(
        measured_similarity(posed, SIGMAS)["ap"].value, abs=1e-9
    )
    assert len(matches(posed, SIGMAS).scores) == 40


def test_similarity_by_hand():
    true = np.array([[[10.0, 10, 2], [30, 20, 1], [0, 0, 0]]])
    found = np.array([[[10.0, 13], [30, 20], [99, 99]]])
    sigmas = np.array([0.1, 0.2, 0.3])
    # 3 pixels away, of an area of 225: d^2 / (8 A s^2) = 9 / 18
    alike = similarities(true, np.array([225.0]), found, sigmas)
    np.testing.assert_allclose(alike, [[(np.exp(-0.5) + 1) / 2]], rtol=1e-9)


def test_an_object_that_nobody_labelled_is_not_there():
    posed = crowd(0)
    blank = posed.keypoints.copy()
    blank[::2, :, 2] = 0
    some = posed._replace(keypoints=blank)
    kept = Posed(*(each[1::2] for each in posed))
    assert measured_similarity(some, SIGMAS) == measured_similarity(kept, SIGMAS)
    with pytest.raises(NothingCountedError):
        measured_similarity(posed._replace(keypoints=0 * blank), SIGMAS)


def test_pictures_are_by_example_where_nobody_says():
    posed = crowd(0, count=5)
    listed = {name: each for name, each in posed._asdict().items() if name != "pictures"}
    assert posed_of(listed).pictures.tolist() == [0, 1, 2, 3, 4]
    assert posed_of(posed._asdict()).pictures.tolist() == posed.pictures.tolist()
    every = precisions(matches(posed_of(listed).there, SIGMAS), np.linspace(0, 1, 101))
    assert every.shape == (10,)


def test_skeletons_name_both_sides():
    assert len(COCO_PERSON.names) == len(COCO_PERSON.sigmas) == 17
    for skeleton in (COCO_PERSON, EXTENT):
        for one, other in skeleton.pairs:
            left, right = skeleton.names[one], skeleton.names[other]
            assert left.replace("left", "right") == right
            assert skeleton.sigmas[one] == skeleton.sigmas[other]
