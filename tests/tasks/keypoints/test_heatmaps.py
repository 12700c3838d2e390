"""Keypoints as heatmaps: hills, losses, measures, and what moves with an image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.augment import Transform
from rtickets.errors import NothingCountedError
from rtickets.evaluation.counting import counted
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import Keypoints
from rtickets.tasks.heatmaps import hills, tops
from tests.tasks.by_heart import learn
from tests.tasks.keypoints.conftest import SIZE, TASK, batch, right_answers, squares


def test_a_hill_has_its_top_where_the_keypoint_lies():
    points = jnp.array([[[9.0, 21.0], [-100.0, 5.0], [0.0, 32.0]]])
    wanted, seen = hills(points, (32, 48), (16, 24), 1.5)
    assert wanted.shape == (1, 16, 24, 3)
    # places are 2 pixels: 9 and 21 lie at the middles of the places 4 and 10
    assert wanted[0, 4, 10, 0] == 1
    np.testing.assert_allclose(wanted[0, 4, 12, 0], np.exp(-0.5 * (2 / 1.5) ** 2), rtol=1e-5)
    np.testing.assert_allclose(wanted[0, 5, 11, 0], np.exp(-1 / 1.5**2), rtol=1e-5)
    assert seen.tolist() == [[True, False, True]]


def test_tops_move_by_a_quarter_towards_the_higher_neighbour():
    heat = np.zeros((1, 8, 6, 4), np.float32)
    heat[0, 3, 2, 0], heat[0, 4, 2, 0], heat[0, 3, 1, 0] = 1, 0.5, 0.3
    heat[0, 3, 2, 1] = 1  # its neighbours are alike
    heat[0, 0, 2, 2], heat[0, 1, 2, 2] = 1, 0.9  # at the rim
    heat[0, 5, 4, 3], heat[0, 2, 2, 3] = 1, 1  # the first of equal ones
    found, heights = jax.jit(tops, static_argnums=1)(jnp.asarray(heat), (32, 12))
    np.testing.assert_allclose(
        found[0], [(4 * 3.75, 2 * 2.25), (4 * 3.5, 2 * 2.5), (4 * 0.5, 2 * 2.5), (4 * 2.5, 2 * 2.5)]
    )
    assert heights.tolist() == [[1, 1, 1, 1]]


def test_decoding_a_hill_finds_its_keypoint_to_a_quarter_of_a_place():
    points = np.random.default_rng(0).uniform(4, 28, (20, 3, 2)).astype(np.float32)
    wanted, _ = hills(jnp.asarray(points), SIZE, (16, 16), 2.0)
    found, _ = tops(wanted, SIZE)
    assert 0.01 < np.abs(found - points).max() <= 2 * 0.25 + 1e-4


def test_the_loss_is_half_the_mean_square_of_labelled_keypoints():
    examples = batch()
    answers = right_answers(examples)
    np.testing.assert_allclose(TASK.loss(answers, examples), 0, atol=1e-12)
    unlabelled = examples["keypoints"].at[:, 1, 2].set(0).at[:, 2, 0].set(-90.0)
    found = TASK.loss(answers + 1.0, {**examples, "keypoints": unlabelled})
    # two of five keypoints do not count
    np.testing.assert_allclose(found, 0.5 * 3 / 5, rtol=1e-5)
    hidden = examples["keypoints"].at[..., 2].set(1)
    np.testing.assert_allclose(TASK.loss(answers + 1.0, {**examples, "keypoints": hidden}), 0.5)


@pytest.mark.parametrize(("reference", "length"), [("scale", 20.0), ("image", 32.0)])
def test_pck_counts_labelled_keypoints_within_a_part_of_the_length(reference, length):
    task = Keypoints(radius=0.1, reference=reference)
    examples = batch(2)
    points = jnp.full((2, 3, 3), 16.0).at[..., 2].set(jnp.array([[2, 1, 0], [1, 2, 2]]))
    away = jnp.array([[0, 1.9, 9], [2.1, 3.1, 3.3]])
    examples |= {"keypoints": points, "area": jnp.full(2, 400.0)}
    answers = hills(points[..., :2].at[..., 0].add(away), SIZE, (320, 320), 4.0)[0]
    found = task.measures(jax.tree.map(np.asarray, task.sums(answers, examples)))
    expected = {"scale": 2 / 5, "image": 4 / 5}[reference]
    assert found["pck"].value == pytest.approx(expected)
    mean = (0 + 1.9 + 2.1 + 3.1 + 3.3) / 5 / length
    assert found["distance"].value == pytest.approx(mean, abs=2e-3)
    assert found["distance"].higher_is_better is False
    each = task.class_measures(jax.tree.map(np.asarray, task.sums(answers, examples)))
    assert {k: v.value for k, v in each.items()}[2] == {"scale": 0, "image": 0}[reference]
    nothing = {**examples, "keypoints": points.at[..., 2].set(0)}
    with pytest.raises(NothingCountedError):
        task.measures(jax.tree.map(np.asarray, task.sums(answers, nothing)))


@pytest.mark.parametrize("turns", [{}, {"rotation": 40.0, "scale": 0.3}])
def test_images_and_keypoints_move_alike_and_sides_change_places(turns):
    images, points, areas = squares(12)
    stored = {"image": images, "keypoints": points, "area": areas}
    task = config_files.replace(TASK, **turns)
    transform = Transform(size=(48, 48), flip=True, crop_padding=2)
    keys = jax.random.split(jax.random.key(1), 12)
    moved = jax.jit(lambda k, each: task.augment(transform, k, each))(keys, stored)
    lit = np.asarray(moved["image"])[..., 0] > 0.7
    mirrored = 0
    for own, seen in zip(np.asarray(moved["keypoints"]), lit, strict=True):
        middle, left_top, right_top, left_bottom, _ = own[:, :2]
        if turns:
            # left of the middle stays left of it, whichever side it was
            across, down = right_top - left_top, left_bottom - left_top
            assert across[1] * down[0] - across[0] * down[1] > 0
        else:
            assert left_top[1] < right_top[1]
        if own[0, 2] and (own[:, 2] > 0).all():
            np.testing.assert_allclose(np.argwhere(seen).mean(0) + 0.5, middle, atol=0.8)
            mirrored += 1
    assert mirrored >= 4
    inside = ((moved["keypoints"][..., :2] >= 0) & (moved["keypoints"][..., :2] <= 48)).all(-1)
    np.testing.assert_array_equal(moved["keypoints"][..., 2] > 0, inside)
    grown = np.asarray(moved["area"]) / areas
    if turns:
        assert grown.min() < 2.25 < grown.max()
    else:
        np.testing.assert_allclose(grown, 2.25, rtol=1e-5)


def test_what_is_listed_is_in_pixels_of_the_pictures():
    images, points, areas = squares(2)
    window = np.array([[100, 50, 64, 64], [0, 0, 16, 96]], np.float32)
    pictures = np.array([7, 7], np.int32)
    stored = {
        "image": images, "keypoints": points, "area": areas, "window": window, "picture": pictures,
    }  # fmt: skip
    examples = jax.tree.map(jnp.asarray, TASK.prepare(Transform(size=(64, 64)), stored))
    listed = TASK.listed(
        hills(examples["keypoints"][..., :2], (64, 64), (64, 64), 2.0)[0], examples
    )
    expected = points[..., :2] * (window[:, None, 2:] / 32) + window[:, None, :2]
    np.testing.assert_allclose(listed["keypoints"][..., :2], expected, rtol=1e-5)
    np.testing.assert_allclose(listed["found"], expected, atol=1.6)
    np.testing.assert_allclose(listed["areas"], areas, rtol=1e-5)  # as they were given
    np.testing.assert_allclose(examples["area"], areas * 64**2 / window[:, 2:].prod(-1), rtol=1e-5)
    assert listed["pictures"].tolist() == [7, 7]
    assert (listed["scores"] > 0.9).all()
    cut = TASK.prepare(
        Transform(size=(16, 16), resize=20), {k: stored[k] for k in list(stored)[:3]}
    )
    answers = hills(cut["keypoints"][..., :2], (16, 16), (32, 32), 2.0)[0]
    np.testing.assert_allclose(
        TASK.listed(answers, cut)["keypoints"][..., :2], points[..., :2], atol=1e-4
    )


def test_how_sure_an_answer_is_is_the_mean_height_above_the_least():
    examples = batch(1)
    heat = jnp.zeros((1, 16, 16, 5)).at[0, 8, 8].set(jnp.array([0.9, 0.5, 0.1, 0.2, -1]))
    np.testing.assert_allclose(TASK.listed(heat, examples)["scores"], [0.7], rtol=1e-6)
    assert TASK.listed(0 * heat, examples)["scores"].tolist() == [0]


def test_a_batch_is_learnt_by_heart_and_mirror_images_are_averaged():
    network = ResNet((1, 1), BasicBlock, 5, width=8, stem="small", make_head=TASK.head)
    examples = batch()
    params, state, outputs = learn(network, TASK.loss, examples, steps=100, learning_rate=5e-3)
    assert outputs.shape == (4, 32, 32, 5)
    found = TASK.measures(counted(TASK, outputs, examples))
    assert found["pck"].value > 0.95
    assert found["ap50"].value == 1
    assert found["ap"].value > 0.5
    assert found["distance"].value < 0.1
    asked = config_files.replace(TASK, flip_test=True).evaluated(network, Transform())
    both = asked.apply({"params": params, "batch_stats": state}, examples["image"])
    assert both.shape == outputs.shape
    swapped = asked.apply({"params": params, "batch_stats": state}, examples["image"][:, :, ::-1])
    order = jnp.array([0, 2, 1, 4, 3])
    np.testing.assert_allclose(swapped[:, :, ::-1][..., order], both, atol=1e-5)
    assert TASK.evaluated(network, Transform()) is network


class Answers:
    """A network that answers how far to the right places lie, in so many outputs."""

    def __init__(self, count):
        self.count = count

    def apply(self, variables, x, train=False):
        return jnp.repeat(jnp.cumsum(x[..., :1], 2), self.count, -1)


@pytest.mark.parametrize(("names", "count"), [((), 1), ((), 3), (("a", "b"), 2)])
def test_mirror_images_of_keypoints_without_sides(names, count):
    task, images = Keypoints(flip_test=True, names=names), jnp.ones((2, 8, 8, 3))
    found = task.evaluated(Answers(count), Transform()).apply({}, images)
    assert found.shape == (2, 8, 8, count)
    np.testing.assert_allclose(found, 4.5)  # n from the left and 9 - n from the right
