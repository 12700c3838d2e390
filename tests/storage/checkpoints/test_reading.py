"""Checkpoints: what is read is what was written."""

import os
import shutil
import time
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.storage import guarded as rtickets_files
from rtickets.storage import orbax_files
from rtickets.storage.checkpoints import Retention, open_checkpoints
from tests.storage.checkpoints.conftest import like, names, restore, save, step_of, tree


def test_what_is_saved_is_read_bit_for_bit(tmp_path):
    save(tmp_path / "here", 7)
    assert step_of(restore(tmp_path / "here")) == 7


def test_nothing_saved_is_nothing_read_and_nothing_made(tmp_path):
    assert restore(tmp_path / "here") is None
    assert names(tmp_path) == []


def test_keys_are_kept_as_keys(tmp_path):
    keys = jax.random.split(jax.random.key(3), 4)
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(1, {"keys": keys}, {})
    found = restore(tmp_path, {"keys": jax.random.split(jax.random.key(0), 4)}).tree["keys"]
    assert found.dtype == keys.dtype
    assert jax.random.uniform(found[2]) == jax.random.uniform(keys[2])


def test_buffers_may_be_reused_as_soon_as_save_returns(tmp_path):
    own = tree(5)
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(5, own, {"step": 5, "loss": 5 / 3})
        own.params["kernel"][:] = 0
    assert step_of(restore(tmp_path)) == 5


def test_the_caller_goes_on_while_a_checkpoint_is_written(tmp_path):
    large = {"x": np.random.default_rng(0).normal(size=2**22)}  # 32 MB
    with open_checkpoints(tmp_path, Retention()) as checkpoints:
        checkpoints.save(1, large, {})
        unfinished = checkpoints.steps() == []
        checkpoints.wait()
        assert checkpoints.steps() == [1]
    assert unfinished


def test_a_step_that_is_there_is_not_written_again(tmp_path):
    save(tmp_path, 4)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    save(tmp_path, 4)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_checkpoint_of_another_structure_is_refused_and_kept(tmp_path):
    save(tmp_path, 1, 2)
    larger = like()._replace(nothing=jnp.zeros(3))
    with pytest.raises(InputError, match=r"another version .*0\.nothing|nothing"):
        restore(tmp_path, larger)
    assert names(tmp_path) == ["1", "2"]


def test_clocks_do_not_matter(tmp_path, monkeypatch):
    save(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1000.0)
        patch.setattr(time, "time_ns", lambda: 1000 * 10**9)
        save(tmp_path, 6)
    for path in (tmp_path / "6").rglob("*"):
        os.utime(path, (0, 0))
    for path in (tmp_path / "3").rglob("*"):
        os.utime(path, (4e9, 4e9))
    assert step_of(restore(tmp_path)) == 6
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert step_of(restore(tmp_path.with_name("copy"))) == 6


@contextmanager
def as_it_is(folder):
    yield folder.resolve()


def test_what_cannot_be_read_back_is_never_there(tmp_path, monkeypatch):
    """Orbax takes the brackets for a pattern, finds no files to merge, and says nothing."""
    folder = tmp_path / "a[1]"
    folder.mkdir()
    save(folder / "checkpoints", 3)
    with monkeypatch.context() as patch:
        patch.setattr(rtickets_files, "plain_path", as_it_is)
        with pytest.raises(OSError, match="cannot be read") as caught:
            save(folder / "checkpoints", 6)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert step_of(restore(folder / "checkpoints")) == 3
    assert names(folder / "checkpoints") == ["3"]


@pytest.mark.parametrize("place", [0, -1])
def test_what_differs_from_what_was_to_be_written_is_never_there(tmp_path, monkeypatch, place):
    check = orbax_files.check_readable

    def differently(folder, arrays):
        name = list(arrays)[place]
        wrong = np.array(arrays[name])
        wrong.reshape(-1).view(np.uint8)[-1] ^= 1
        check(folder, {**arrays, name: wrong})

    monkeypatch.setattr(orbax_files, "_AT_ONCE", 1)  # each array in a part of its own
    save(tmp_path, 3)
    monkeypatch.setattr(orbax_files, "check_readable", differently)
    with pytest.raises(OSError, match="what was written"):
        save(tmp_path, 6)
    assert step_of(restore(tmp_path)) == 3
