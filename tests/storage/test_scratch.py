"""Scratch folders: whose copies are removed, and whose not."""

import os
import time

import pytest

from rtickets.storage import scratch
from rtickets.storage.scratch import is_gone, open_scratch


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def killed():
    """Return a scratch folder with a file, whose process has ended without removing it."""
    one = open_scratch()
    (one.place("0") / "file").touch()
    os.close(one._descriptor)
    return one


def files(one):
    return [path for path in one.folder.rglob("file") if path.is_file()]


def test_of_a_process_that_is_gone_the_next_removes_the_copies():
    one = killed()
    assert is_gone(one.token)
    open_scratch().close()
    assert files(one) == []


def test_of_one_that_lives_nothing_is_removed():
    one = open_scratch()
    (one.place("0") / "file").touch()
    assert not is_gone(one.token)
    open_scratch().close()
    assert len(files(one)) == 1
    one.close()


def test_of_another_machine_nobody_knows_and_what_is_old_is_removed(tmp_path, monkeypatch):
    one = killed()  # to a machine that sees no locks of others it looks so, too, while it lives
    (tmp_path / "boot").write_text("another start\n")
    monkeypatch.setattr(scratch, "_BOOT", tmp_path / "boot")
    assert not is_gone(one.token)
    open_scratch().close()
    assert len(files(one)) == 1
    old = time.time() - 8 * 86_400
    os.utime(one.folder / ".alive", (old, old))
    open_scratch().close()
    assert not one.folder.exists()


def test_who_lives_does_not_look_old():
    one = open_scratch()
    os.utime(one.folder / ".alive", (0, 0))
    one.touch()
    assert (one.folder / ".alive").stat().st_mtime > 1e9
    one.close()
