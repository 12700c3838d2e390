import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.evaluation.outcomes import Outcome, keep_outcome, outcome_of, read_outcome
from rtickets.tasks import Classification


def batch(labels):
    return {"label": np.asarray(labels, np.int32)}


def same(a, b):
    assert a.right.dtype == b.right.dtype
    np.testing.assert_array_equal(a.right, b.right)
    assert (a.weights is None) == (b.weights is None)
    if a.weights is not None:
        np.testing.assert_array_equal(a.weights, b.weights)
    assert a.asked == b.asked


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_what_is_kept_is_read_back(tmp_path_factory, right):
    folder = tmp_path_factory.mktemp("kept")
    for task in (Classification(), Classification(metric="balanced")):
        outcome = outcome_of(task, np.array(right), batch(np.arange(len(right)) % 3))
        keep_outcome(folder, "clean", outcome)
        same(read_outcome(folder, "clean"), outcome)


def test_an_example_takes_a_bit(tmp_path):
    right = np.random.default_rng(0).random(80_000) < 0.5
    keep_outcome(tmp_path, "clean", outcome_of(Classification(), right, batch(right)))
    assert (tmp_path / "outcomes" / "clean.safetensors").stat().st_size < 10_500


def test_shares_of_a_random_network_are_kept_as_they_are(tmp_path):
    right = np.array([0.0, 0.25, 1.0])
    keep_outcome(tmp_path, "noisy", outcome_of(Classification(), right, batch([0, 1, 1])))
    np.testing.assert_array_equal(read_outcome(tmp_path, "noisy").right, right)


def test_the_weighted_sum_is_the_headline():
    generator = np.random.default_rng(1)
    labels, right = generator.choice(4, 200, p=(0.7, 0.1, 0.1, 0.1)), generator.random(200) < 0.6
    task = Classification(metric="balanced")
    outcome = outcome_of(task, right, batch(labels))
    expected = task.judged(right, batch(labels)).value
    assert outcome.weights @ outcome.right == pytest.approx(expected, rel=1e-6)
    assert outcome.weights.sum() == pytest.approx(1, rel=1e-6)


def test_other_questions_have_another_checksum():
    right, task = np.ones(3, bool), Classification()
    a, b, c = (outcome_of(task, right, batch(each)) for each in ([0, 1, 2], [0, 2, 1], [0, 1, 2]))
    assert a.asked == c.asked != b.asked
    with_input = {**batch([0, 1, 2]), "image": np.zeros((3, 2, 2, 1))}
    assert outcome_of(task, right, with_input).asked == a.asked


def test_an_older_evaluation_kept_nothing(tmp_path):
    assert read_outcome(tmp_path, "clean") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data.replace(b"right", b"wrong"),
        lambda data: data.replace(np.int64(20).tobytes(), np.int64(2**40).tobytes()),
        lambda data: data.replace(np.int64(20).tobytes(), np.int64(-1).tobytes()),
        lambda data: data.replace(np.int64(20).tobytes(), np.int64(30).tobytes()),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, change):
    keep_outcome(tmp_path, "clean", Outcome(np.ones(20, bool), None, 7))
    file = tmp_path / "outcomes" / "clean.safetensors"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(InputError, match=rf"{file} is damaged .*run it again"):
        read_outcome(tmp_path, "clean")


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.5])
def test_what_is_no_share_is_refused(tmp_path, value):
    keep_outcome(tmp_path, "clean", Outcome(np.array([0.5, value], np.float32), None, 7))
    with pytest.raises(InputError, match="no shares"):
        read_outcome(tmp_path, "clean")
