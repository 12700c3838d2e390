import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score, recall_score

from rtickets.tasks.accuracy import wilson
from rtickets.tasks.confusion import COUNTS, IMAGES, MOMENTS, confusion_sums, overlap

IGNORED = 255


def added(*many):
    return {name: sum(np.asarray(each[name]) for each in many) for name in many[0]}


def pictures(seed, images=6, size=8, classes=4, right=0.7):
    """Return true and predicted maps, of which some pixels are ignored."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, (images, size, size))
    wrong = rng.integers(0, classes, true.shape)
    predicted = np.where(rng.random(true.shape) < right, true, wrong)
    return predicted, np.where(rng.random(true.shape) < 0.2, IGNORED, true)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 4]))
def test_counts_and_ratios_are_those_of_scikit_learn(seed, present):
    predicted, true = pictures(seed, classes=present)
    sums = confusion_sums(jnp.asarray(predicted), jnp.asarray(true), 4, IGNORED)
    kept = true != IGNORED
    flat = true[kept], predicted[kept]
    np.testing.assert_array_equal(sums[COUNTS], confusion_matrix(*flat, labels=range(4)))
    found = overlap(sums)
    seen = np.union1d(*flat)
    expected = jaccard_score(*flat, labels=seen, average=None)
    np.testing.assert_allclose(found.iou.value[seen], expected)
    assert np.isnan(np.delete(found.iou.value, seen)).all()
    assert found.mean_iou.value == pytest.approx(expected.mean())
    assert found.pixel_accuracy.value == pytest.approx((flat[0] == flat[1]).mean())
    recall = recall_score(*flat, labels=np.unique(flat[0]), average="macro")
    assert found.class_accuracy.value == pytest.approx(recall)


def test_sums_add_up_over_batches():
    predicted, true = map(jnp.asarray, pictures(0))
    whole = confusion_sums(predicted, true, 4, IGNORED)
    parts = [confusion_sums(predicted[a:b], true[a:b], 4, IGNORED) for a, b in ((0, 1), (1, 6))]
    for name, value in added(*parts).items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-6)


@pytest.mark.parametrize("name", ["mean_iou", "class_accuracy", "pixel_accuracy"])
def test_standard_errors_are_those_of_many_repetitions(name):
    values, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        # Images differ in how well they are segmented, so that their pixels are not independent.
        each = [
            pictures(int(rng.integers(2**31)), 1, right=float(right))
            for right in rng.uniform(0.2, 1, 40)
        ]
        predicted, true = (jnp.asarray(np.concatenate(part)) for part in zip(*each, strict=True))
        found = getattr(overlap(confusion_sums(predicted, true, 4, IGNORED)), name)
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)


def test_perfect_and_hopeless_predictions():
    _, true = map(jnp.asarray, pictures(1))
    perfect = overlap(confusion_sums(jnp.where(true == IGNORED, 0, true), true, 4, IGNORED))
    assert perfect.mean_iou.value == 1
    shifted = jnp.where(true == IGNORED, 0, (true + 1) % 4)
    hopeless = overlap(confusion_sums(shifted, true, 4, IGNORED))
    assert hopeless.pixel_accuracy.value == 0


@pytest.mark.parametrize(("added", "value"), [(0, 1), (1, 0)])
def test_all_right_or_all_wrong_of_few_images_is_not_certain(added, value):
    """Classes 0 and 1 fill half of five and of two images of one size; none is of class 2."""
    true = np.zeros((7, 4, 4), int)
    true[:5, 2:], true[5:, 2:] = IGNORED, IGNORED
    true[5:, :2] = 1
    predicted = (np.where(true == IGNORED, 0, true) + 2 * added) % 4
    found = overlap(confusion_sums(jnp.asarray(predicted), jnp.asarray(true), 4, IGNORED))
    for number, images in ((0, 5), (1, 2)):
        one = found.iou.of(number).measured()
        assert one[:3] == pytest.approx((value, *wilson(value, images)))
    assert found.pixel_accuracy.measured()[:3] == pytest.approx((value, *wilson(value, 7)))
    # 2^2 / (1 / 5 + 1 / 2) as of balanced accuracy
    recall = found.class_accuracy.measured()
    assert recall[:3] == pytest.approx((value, *wilson(value, 40 / 7)))


def test_a_class_of_one_image_among_many_is_as_uncertain_as_one_answer():
    true = np.zeros((9, 4, 4), int)
    true[0, :2] = 1
    predicted = np.zeros_like(true)
    predicted[0, :1] = 1
    found = overlap(confusion_sums(jnp.asarray(predicted), jnp.asarray(true), 2, IGNORED))
    assert found.iou.of(1).measured()[:3] == pytest.approx((0.5, *wilson(0.5, 1)))


def test_images_that_agree_say_nothing_of_how_others_differ():
    """In all four two thirds of the pixels are right, whatever rounding says."""
    true = np.zeros((4, 3, 3), int)
    predicted = np.tile((np.arange(9) >= 6).reshape(3, 3), (4, 1, 1)).astype(int)
    found = overlap(confusion_sums(jnp.asarray(predicted), jnp.asarray(true), 2, IGNORED))
    assert found.pixel_accuracy.measured()[:3] == pytest.approx((2 / 3, *wilson(2 / 3, 4)))


def test_of_one_image_nothing_is_known_about_others():
    predicted, true = map(jnp.asarray, pictures(3, images=1))
    found = overlap(confusion_sums(predicted, true, 4, IGNORED)).mean_iou.measured()
    assert (found.low, found.high) == (0, 1)


def test_an_image_without_a_pixel_that_counts_changes_nothing():
    predicted, true = map(jnp.asarray, pictures(2))
    alone = confusion_sums(predicted, true, 4, IGNORED)
    empty = jnp.full_like(true[:1], IGNORED)
    more = confusion_sums(
        jnp.concatenate([predicted, predicted[:1]]), jnp.concatenate([true, empty]), 4, IGNORED
    )
    for name in (COUNTS, MOMENTS, IMAGES):
        np.testing.assert_allclose(more[name], alone[name], rtol=1e-6)
