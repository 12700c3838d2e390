import os

import jax
import numpy as np
import pytest

from rtickets.attacks.ensemble.queue import Queue
from rtickets.attacks.ensemble.saved_state import FILE, Progress, load_progress, save_progress
from rtickets.attacks.identity import Answers
from rtickets.errors import InputError

SLOTS = (np.arange(3, dtype=np.float32), {"a": np.array([[True], [False]]), "b": None})


ANSWERS = Answers(np.arange(4.0).reshape(2, 2), np.ones((2, 3)))


def like(leg, slots):
    assert (leg, slots) == (2, 4)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), SLOTS)


def progress(**changes):
    queue = Queue(7, np.array([3, -1, 0, -1]), 41, SLOTS)
    found = Progress(
        2, np.array([True, False]), np.array([-1, 1]), np.full((2, 1, 1, 1), 1 / 3, np.float32),
        queue, [5, 6, 41], [0.1, 0.2, 0.3], np.array([False, True]),
        np.array([True, False]), np.full((2, 1, 1, 1), 2 / 3, np.float32),
        np.array([[1.0, 0.25]], np.float32),
    )  # fmt: skip
    return found._replace(**changes)


def assert_equal(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("changes", [{}, {"queue": None, "seconds": [], "evaluations": []}])
def test_what_is_saved_is_loaded(tmp_path, changes):
    save_progress(tmp_path, progress(leg=0), "work", ANSWERS)
    save_progress(tmp_path, progress(**changes), "work", ANSWERS)
    assert_equal(load_progress(tmp_path, "work", ANSWERS, like), progress(**changes))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_loaded_results_can_be_written_to(tmp_path):
    save_progress(tmp_path, progress(), "work", ANSWERS)
    loaded = load_progress(tmp_path, "work", ANSWERS, like)
    loaded.x_adv[0] = 0.5
    loaded.fooled_by[0] = 1
    assert (loaded.x_adv[0] == 0.5).all()
    assert loaded.fooled_by[0] == 1


def test_nothing_stored_is_nothing_loaded(tmp_path):
    assert load_progress(tmp_path, "work", ANSWERS, like) is None


def test_the_state_of_other_work_is_refused(tmp_path):
    save_progress(tmp_path, progress(), "work", ANSWERS)
    with pytest.raises(InputError, match=r"another model.*remove the file"):
        load_progress(tmp_path, "other work", ANSWERS, like)


def test_a_shortened_file_is_no_state(tmp_path):
    save_progress(tmp_path, progress(), "work", ANSWERS)
    whole = (tmp_path / FILE).read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / FILE).write_bytes(whole[:length])
        assert load_progress(tmp_path, "work", ANSWERS, like) is None


def test_a_damaged_file_is_no_state_or_does_not_matter(tmp_path):
    save_progress(tmp_path, progress(), "work", ANSWERS)
    whole, generator = (tmp_path / FILE).read_bytes(), np.random.default_rng(0)
    refused = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(generator.integers(8))
        (tmp_path / FILE).write_bytes(bytes(damaged))
        loaded = load_progress(tmp_path, "work", ANSWERS, like)
        refused += loaded is None
        if loaded is not None:  # dates and attributes in the archive
            assert_equal(loaded, progress())
    assert refused > 100


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(50)])
def test_a_file_that_is_no_archive_is_no_state(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert load_progress(tmp_path, "work", ANSWERS, like) is None


def test_slots_of_another_structure_are_no_state(tmp_path):
    save_progress(tmp_path, progress(), "work", ANSWERS)
    assert (
        load_progress(tmp_path, "work", ANSWERS, lambda leg, slots: (like(leg, slots), SLOTS[0]))
        is None
    )


def test_a_failed_write_leaves_the_state_before(tmp_path, monkeypatch):
    save_progress(tmp_path, progress(), "work", ANSWERS)

    def fail(*args, **arrays):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        with pytest.raises(OSError, match="disk full"):
            save_progress(tmp_path, progress(leg=3), "work", ANSWERS)
    assert_equal(load_progress(tmp_path, "work", ANSWERS, like), progress())


@pytest.mark.parametrize(
    "changes",
    [
        {"undecided": np.array([True])},
        {"undecided": np.array([1.0, 0.0])},
        {"fooled_by": np.array(["a", "b"])},
        {"queue": Queue("x", np.array([3, -1, 0, -1]), 41, SLOTS)},
        {"queue": Queue(7, np.array([3, -1, 0, -1]), 41, (np.zeros(9), *SLOTS[1:]))},
        {"evaluations": [None]},
    ],
)
def test_a_file_that_was_made_to_look_like_a_state_is_none(tmp_path, changes):
    save_progress(tmp_path, progress(**changes), "work", ANSWERS)
    assert load_progress(tmp_path, "work", ANSWERS, like) is None


def test_nothing_is_written_behind_a_link_and_a_pipe_is_no_state(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / f".{FILE}.0").symlink_to("mine")
    save_progress(tmp_path, progress(), "work", ANSWERS)
    assert (tmp_path / "mine").read_text() == "mine"
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)
    assert load_progress(tmp_path, "work", ANSWERS, like) is None
