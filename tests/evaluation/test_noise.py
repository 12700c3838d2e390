"""Counting goes on where it stopped, with the same counts."""

import jax
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.errors import Preempted
from rtickets.evaluation import noise
from rtickets.evaluation.noise import noisy_counts
from rtickets.evaluation.smoothing import certify
from rtickets.platform import preemption

KEY = jax.random.key(3)
X = np.random.default_rng(0).uniform(size=(5, 2, 2, 1)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)


def linear(weights, x):
    return x.reshape(len(x), -1) @ weights


MODEL = Partial(linear, WEIGHTS)


def count(kept=None, model=MODEL, **options):
    settings = {"sigma": 0.5, "num_classes": 3, "samples": 21, "batch_size": 8, **options}
    return noisy_counts(model, X, KEY, kept=kept, **settings)


@pytest.fixture
def batches(monkeypatch):
    """Counts the batches, and says yes at the numbers in `stops` when asked to stop."""
    done, stops, compiled = [], set(), noise._compiled

    def counted(*arguments):
        run = compiled(*arguments)
        return lambda *inputs: (done.append(0), run(*inputs))[1]

    def heard():
        if len(done) in stops:
            stops.remove(len(done))
            return True
        return False

    monkeypatch.setattr(noise, "_compiled", counted)
    monkeypatch.setattr(preemption, "heard", heard)
    return done, stops


def test_counting_goes_on_where_it_was_asked_to_stop(tmp_path, batches):
    done, stops = batches
    expected = count()
    assert len(done) == 14  # 5 images of 21 copies in batches of 8
    done.clear()
    stops |= {0, 4, 5, 13}
    for _ in range(4):
        with pytest.raises(Preempted):
            count(tmp_path / "counts.npz")
    np.testing.assert_array_equal(count(tmp_path / "counts.npz"), expected)
    assert len(done) == 14
    np.testing.assert_array_equal(count(tmp_path / "counts.npz"), expected)
    assert len(done) == 14


def test_counting_goes_on_after_a_kill(tmp_path, batches, monkeypatch):
    done, _ = batches
    expected = count()
    done.clear()
    monkeypatch.setattr(noise, "_SAVE_SECONDS", -1)
    write, written = noise.write_bytes, []

    def killed(path, data):
        if len(written) == 6:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(noise, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            count(tmp_path / "counts.npz")
    np.testing.assert_array_equal(count(tmp_path / "counts.npz"), expected)
    assert len(done) == 6 + 14 - 5


@pytest.mark.parametrize(
    "other",
    [
        {"sigma": 0.6},
        {"samples": 22},
        {"model": Partial(linear, -WEIGHTS)},
        {"model": lambda x: x.reshape(len(x), -1) @ WEIGHTS * 2},
        {"model": lambda x: x.reshape(len(x), -1) @ WEIGHTS * 3},
    ],
)
def test_counts_of_other_work_are_not_taken(tmp_path, other):
    count(tmp_path / "counts.npz", model=lambda x: x.reshape(len(x), -1) @ WEIGHTS * 2.5)
    found = count(tmp_path / "counts.npz", **other)
    np.testing.assert_array_equal(found, count(**other))


@pytest.mark.parametrize("image", range(5))
def test_one_image_tells_functions_of_the_same_weights_apart(tmp_path, image):
    def clipped(weights, x):
        return linear(weights, x.clip(0, 1))

    def count_one(function, kept=None):
        options = {"sigma": 0.5, "num_classes": 3, "samples": 50, "kept": kept}
        return noisy_counts(Partial(function, WEIGHTS), X[[image]], KEY, **options)

    count_one(linear, tmp_path / "counts.npz")
    found = count_one(clipped, tmp_path / "counts.npz")
    np.testing.assert_array_equal(found, count_one(clipped))


def test_a_damaged_file_is_no_state(tmp_path):
    expected = count(tmp_path / "counts.npz")
    whole = (tmp_path / "counts.npz").read_bytes()
    for length in range(0, len(whole), 61):
        (tmp_path / "counts.npz").write_bytes(whole[:length])
        np.testing.assert_array_equal(count(tmp_path / "counts.npz"), expected)


def test_a_certificate_goes_on_in_its_folder(tmp_path, batches):
    done, stops = batches
    options = {"sigma": 0.5, "num_classes": 3, "selection_samples": 10, "samples": 40}
    options |= {"alpha": 0.1, "batch_size": 16}
    expected = certify(MODEL, X, KEY, **options)
    total = len(done)
    done.clear()
    stops |= {2, 9}
    for _ in range(2):
        with pytest.raises(Preempted):
            certify(MODEL, X, KEY, folder=tmp_path, **options)
    found = certify(MODEL, X, KEY, folder=tmp_path, **options)
    np.testing.assert_array_equal(found.prediction, expected.prediction)
    np.testing.assert_array_equal(found.radius, expected.radius)
    assert len(done) == total
