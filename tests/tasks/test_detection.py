"""Detection: losses, boxes that move with images, checks, a batch that is learnt by heart."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import make_transform
from rtickets.errors import InputError
from rtickets.evaluation.counting import counted
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import Detection, task_of
from rtickets.tasks.accuracy import wilson
from rtickets.tasks.painting import MISSED, RIGHT, WRONG
from rtickets.tasks.places import assigned, places_of
from tests.tasks.by_heart import learn

TASK = Detection(channels=16, depth=1, levels=("stage1", "stage2"), coarser=0)
GRIDS, SIZE = [(32, 32), (16, 16)], (32, 32)
LOSS = jax.jit(TASK.loss)


def squares(seed=0, count=4, size=32):
    """Return images with a bright square (class 0) and a dark one (class 1), and their boxes."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, 130, (count, size, size, 3)).astype(np.uint8)
    boxes = np.zeros((count, 3, 4), np.float32)
    classes = np.full((count, 3), -1, np.int32)
    for image, own, named in zip(images, boxes, classes, strict=True):
        for label, value in ((0, 250), (1, 5)):
            top, left = rng.integers(0, size - 14, 2)
            height, width = rng.integers(8, 14, 2)
            image[top : top + height, left : left + width] = value
            own[label] = top, left, top + height, left + width
            named[label] = label
    return images, boxes, classes


def raw(**changes):
    images, boxes, classes = squares()
    arrays = {"image": images, "boxes": boxes, "classes": classes, **changes}
    split = Split({name: each for name, each in arrays.items() if each is not None})
    return Raw(split, split, ("bright", "dark"), split)


def batch(count=4):
    images, boxes, classes = squares(count=count)
    return {"image": images / np.float32(255), "boxes": boxes, "classes": classes}


@jax.jit
def answers(seen, score=8.0):
    """Return the right answers to a batch, with the scores of sure places."""
    seen, places = jax.tree.map(jnp.asarray, seen), places_of(GRIDS, SIZE)
    nothing = jnp.zeros(seen["classes"].shape, bool)
    targets = assigned(places, seen["boxes"], seen["classes"], nothing)
    away = jnp.tile(places.middles, 2) - targets.boxes
    away = jnp.maximum(away * jnp.array([1.0, 1, -1, -1]) / jnp.tile(places.strides, 2), 0.01)
    likely = jnp.where(jax.nn.one_hot(targets.classes, 2) > 0, score, -score)
    centre = jax.scipy.special.logit(jnp.clip(targets.centre, 1e-3, 1 - 1e-3))
    whole = jnp.concatenate([likely, away, centre[..., None]], -1)
    count = len(whole)
    split = GRIDS[0][0] * GRIDS[0][1]
    parts = whole[:, :split], whole[:, split:]
    return tuple(part.reshape(count, *grid, -1) for part, grid in zip(parts, GRIDS, strict=True))


def test_right_answers_are_found_and_cost_little():
    seen = batch()
    sure = answers(seen)
    found = jax.jit(TASK.found)(sure, seen)
    for image in range(4):
        assert found.classes[image, :3].tolist() in ([0, 1, -1], [1, 0, -1])
        for place in range(2):
            label = int(found.classes[image, place])
            np.testing.assert_allclose(found.boxes[image, place], seen["boxes"][image, label])
    assert (found.scores[:, 2:] == 0).all()
    assert (LOSS(sure, seen) < LOSS(answers(seen, 0.1), seen)).all()
    centres = LOSS(sure, seen)  # what is left is the entropy of the targets of the middle
    assert (centres < 0.7).all()


def test_the_loss_of_examples_adds_up_over_parts_of_a_batch():
    seen = batch()
    outputs = answers(seen, 0.5)
    halves = jax.tree.map(lambda leaf: leaf.reshape(2, 2, *leaf.shape[1:]), (outputs, seen))
    together = lambda tree: jax.lax.psum(tree, "devices")  # noqa: E731
    part = jax.vmap(lambda z, own: TASK.loss(z, own, together), axis_name="devices")
    split = jax.jit(part)(*halves).ravel()
    np.testing.assert_allclose(split, LOSS(outputs, seen), rtol=1e-5)
    alone = jax.jit(jax.vmap(TASK.loss))(*halves).ravel()
    assert np.abs(alone - split).max() > 1e-3


def test_other_images_change_the_loss_of_one_by_a_factor():
    seen = batch()
    seen["classes"][1:, 1] = -1  # fewer places see an object there
    outputs = answers(seen, 0.5)

    def slopes(z, own):
        return jax.grad(lambda leaves: TASK.loss(leaves, own)[0])(z)

    part = jax.tree.map(lambda leaf: leaf[:1], (outputs, seen))
    whole, alone = jax.jit(slopes)(outputs, seen), jax.jit(slopes)(*part)
    factor = LOSS(outputs, seen)[0] / LOSS(*part)[0]
    assert abs(factor - 1) > 1e-3
    for one, other in zip(whole, alone, strict=True):
        np.testing.assert_allclose(one[0], factor * other[0], rtol=1e-4, atol=1e-7)


def test_crowds_and_images_without_objects_are_not_held_against_it():
    seen = batch()
    empty = {**seen, "classes": np.full_like(seen["classes"], -1)}
    outputs = answers(seen)
    assert jnp.isfinite(LOSS(outputs, empty)).all()
    gradient = jax.jit(jax.grad(lambda z: TASK.loss(z, empty).sum()))(outputs)
    assert all(jnp.isfinite(leaf).all() for leaf in gradient)
    # Where a crowd is, an answer costs nothing; elsewhere it does.
    crowd = {**seen, "crowd": seen["classes"] >= 0}
    assert (LOSS(outputs, crowd) < 0.05 * LOSS(outputs, empty)).all()


def test_a_place_that_is_lost_is_no_object():
    seen = batch()
    gone = seen["boxes"].copy()
    gone[:, 0] = 0
    lost = {**seen, "boxes": gone}
    absent = {**lost, "classes": np.where(seen["classes"] == 0, -1, seen["classes"])}
    outputs = answers(seen)
    np.testing.assert_array_equal(LOSS(outputs, lost), LOSS(outputs, absent))
    np.testing.assert_array_equal(TASK.listed(outputs, lost)["classes"], absent["classes"])


def test_images_and_boxes_move_alike():
    images, boxes, classes = squares(count=8)
    stored = {"image": images, "boxes": boxes, "classes": classes}
    transform = Transform(size=(48, 48), flip=True, crop_padding=3)
    moved = TASK.augment(transform, jax.random.split(jax.random.key(1), 8), stored)
    prepared = TASK.prepare(transform, stored)
    for seen in (moved, prepared):
        pixels = np.asarray(seen["image"])
        for image, box in zip(pixels, np.asarray(seen["boxes"]), strict=True):
            top, left, bottom, right = np.rint(box[1]).astype(int)  # the dark one lies on top
            assert image[top + 1 : bottom - 1, left + 1 : right - 1].max() < 0.1
            np.testing.assert_array_equal(seen["classes"], classes)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"boxes": None}, "'boxes'"),
        ({"classes": None}, "'classes'"),
        ({"boxes": squares()[1].astype(int)}, "int64"),
        ({"boxes": squares()[1][..., :2]}, r"\(4, 3, 2\)"),
        ({"classes": squares()[2][:, :2]}, r"\(4, 2\)"),
        ({"classes": squares()[2].astype(np.float32)}, "float32"),
        ({"crowd": np.zeros((4, 3), int)}, "int64"),
        ({"classes": np.where(squares()[2] == 1, 2, squares()[2])}, "class 2.*0 to 1"),
        ({"classes": np.full((4, 3), -2, np.int32)}, "class -2"),
        ({"classes": np.full((4, 3), -1, np.int32)}, "nothing to detect"),
        ({"crowd": np.ones((4, 3), bool)}, "nothing to detect"),
        ({"classes": np.zeros((4, 3), np.int32)}, "box 2 of image 0.*empty"),
        ({"boxes": squares()[1] + np.float32(20)}, "not in the image of 32x32"),
        ({"boxes": squares()[1] - np.float32(15)}, "not in the image of 32x32"),
        ({"boxes": np.where(squares()[1] > 20, np.nan, squares()[1])}, "not finite"),
    ],
)
def test_boxes_are_checked(change, named):
    pytest.importorskip("pycocotools")
    with pytest.raises(InputError, match=named):
        TASK.check(raw(**change), "here")


def test_classes_without_a_box_are_said():
    pytest.importorskip("pycocotools")
    classes = squares()[2]
    assert TASK.check(raw(), "here") == ()
    (note,) = TASK.check(raw(classes=np.where(classes == 1, -1, classes)), "here")
    assert "dark" in note
    (note,) = TASK.check(raw(crowd=classes == 0), "here")
    assert "bright" in note


def test_without_pycocotools_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(InputError, match=r"rtickets\[detection\]"):
        TASK.check(raw(), "here")


def test_a_batch_is_learnt_by_heart():
    pytest.importorskip("pycocotools")
    network = ResNet((1, 1), BasicBlock, 2, width=8, stem="small", make_head=TASK.head)
    examples = jax.tree.map(jnp.asarray, batch())
    *_, outputs = learn(network, LOSS, examples, steps=150, learning_rate=5e-3)
    found = TASK.measures(counted(TASK, outputs, examples))
    assert found["ap50"].value > 0.95
    assert found["ap_voc07"].value > 0.95
    assert found["ap50"].value >= found["ap"].value > 0.5
    assert found["place_accuracy"].value > 0.95


def test_training_counts_places_alone():
    seen = batch()
    sums = jax.tree.map(np.asarray, TASK.sums(answers(seen), seen))
    found = TASK.measures(sums)
    assert set(found) == {"place_accuracy", "place_iou"}
    assert found["place_accuracy"].value == 1
    assert wilson(1, 2)[0] < found["place_accuracy"].low < wilson(1, 4)[0] + 1e-6  # of four images
    assert found["place_iou"].value == pytest.approx(1, abs=1e-5)
    nothing = {**seen, "classes": np.full_like(seen["classes"], -1)}
    assert TASK.measures(jax.tree.map(np.asarray, TASK.sums(answers(seen), nothing))) == {}


def test_a_configuration_names_it(monkeypatch):
    pytest.importorskip("pycocotools")
    monkeypatch.setitem(SOURCES, "squares", Source(lambda config, view: raw(), "squares", ""))
    task = {"name": "detection", "channels": 8, "levels": ["stage1"], "coarser": 0}
    config = config_files.parse(DataConfig, {"source": "squares", "task": task})
    assert task_of(config) == Detection(channels=8, levels=("stage1",), coarser=0)
    dataset = data.load(config)
    transform = make_transform(config).left_to_do(dataset)
    (seen,) = task_of(config).input_spec(transform, dataset.train.spec)
    assert seen.shape == (32, 32, 3)
    assert task_of(config).width(task_of(config).about(dataset)) == 2


def test_pictures_show_right_and_answered_boxes_in_their_colours():
    examples = batch(2)
    painted = TASK.painted(answers(examples), examples)
    np.testing.assert_array_equal(painted["image"], examples["image"])
    np.testing.assert_allclose(painted["answer"], painted["truth"])
    top, left, bottom, right = examples["boxes"][0, 0].astype(int)
    edge = painted["truth"][0, top, left:right]
    assert (edge == edge[0]).all()
    assert (painted["truth"][0, bottom - 1, left:right] == edge[0]).all()
    nowhere = jax.tree.map(lambda leaf: leaf.at[..., :2].set(-8), answers(examples))
    unsure = TASK.painted(nowhere, examples)["answer"]
    np.testing.assert_array_equal(unsure, examples["image"])
    for images in painted.values():
        assert images.shape == (2, 32, 32, 3)
        assert images.min() >= 0
        assert images.max() <= 1


def test_every_class_is_shown_with_what_is_found_missed_and_wrong():
    """Of the first image the bright one is missed, in the others a dark one is called bright."""
    examples, outputs = batch(4), answers(batch(4))
    swapped = {**examples, "classes": examples["classes"].copy()}
    swapped["classes"][1:] = np.where(
        swapped["classes"][1:] >= 0, 1 - swapped["classes"][1:], swapped["classes"][1:]
    )
    swapped["boxes"] = examples["boxes"].copy()
    swapped["boxes"][0, 0] = 0, 0, 6, 6
    rows = TASK.painted_classes(outputs, swapped, most=3)
    assert set(rows) == {0, 1}
    assert rows[0].shape == (3, *SIZE, 3)
    colours = {"right": RIGHT, "wrong": WRONG, "missed": MISSED}

    def seen(row, colour):
        return np.isclose(row, colours[colour], atol=1e-6).all(-1).any()

    first, second, *_ = rows[1]
    assert seen(first, "right")
    assert not seen(first, "missed")
    assert not seen(first, "wrong")
    assert seen(second, "wrong")
    assert seen(rows[0][0], "missed")
    assert TASK.painted_classes(outputs, {**examples, "classes": np.full((4, 3), -1)}, 2) == {}
