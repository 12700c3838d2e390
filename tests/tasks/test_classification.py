import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets.tasks import Classification
from rtickets.tasks.accuracy import measure

GENERATOR = np.random.default_rng(4)
LABELS = np.repeat(np.arange(4), [1, 2, 5, 12]).astype(np.int32)
LOGITS = GENERATOR.normal(0, 1, (20, 4)).astype(np.float32)
BATCH = {"image": np.zeros((20, 2, 2, 1), np.float32), "label": LABELS}
RIGHT = LOGITS.argmax(-1) == LABELS


def test_equal_settings_share_programs():
    assert hash(Classification()) == hash(Classification())
    assert Classification() == Classification()
    assert hash(Classification()) != hash(Classification(metric="balanced"))


@pytest.mark.parametrize("metric", ["accuracy", "balanced"])
def test_sums_over_parts_give_the_measures_of_the_whole(metric):
    task = Classification(metric=metric)
    parts = [
        task.sums(jnp.asarray(LOGITS[part]), {name: each[part] for name, each in BATCH.items()})
        for part in (slice(0, 7), slice(7, 20))
    ]
    found = task.measures({name: np.asarray(parts[0][name] + parts[1][name]) for name in parts[0]})
    assert set(found) == {"accuracy", metric}
    expected = measure(metric, RIGHT, LABELS)
    headline = found[task.headline.name]
    assert (headline.value, headline.low, headline.high) == expected[2:]
    assert headline.unit == "share"
    assert found["accuracy"].value == RIGHT.mean()


def test_classes_without_examples_do_not_count():
    task = Classification(metric="balanced")
    batch = {"label": np.array([0, 2])}
    logits = np.array([[5.0, 0, 0, 0], [5.0, 0, 0, 0]], np.float32)
    assert task.measures(task.sums(logits, batch))["balanced"].value == 0.5


def test_whoever_is_not_right_is_fooled_also_by_logits_that_are_no_numbers():
    broken = LOGITS.copy()
    broken[0], broken[1] = np.nan, -np.inf
    fooled = Classification().fooled(jnp.asarray(broken), BATCH)
    np.testing.assert_array_equal(fooled[2:], ~RIGHT[2:])
    assert fooled[:2].all()


def test_smoothing_changes_the_loss_alone():
    task = Classification().smoothed(0.2)
    targets = optax.smooth_labels(np.eye(4, dtype=np.float32)[LABELS], 0.2)
    expected = optax.softmax_cross_entropy(LOGITS, targets)
    np.testing.assert_allclose(task.loss(jnp.asarray(LOGITS), BATCH), expected, rtol=1e-6)
    assert task.headline == Classification().headline


def test_the_headline_says_values_and_their_direction():
    headline = Classification().headline
    assert headline.say(0.4567) == "45.7%"
    assert headline.score(0.7) > headline.score(0.6)
    assert headline._replace(higher_is_better=False).score(0.7) == -0.7
    assert headline._replace(unit="px").say(1.25) == "1.25 px"
