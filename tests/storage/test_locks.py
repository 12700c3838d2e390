"""One process in a folder: in use is one line, and a killed holder holds nothing."""

import errno
import fcntl
import os
import re
import stat
import subprocess
import sys

import pytest

from rtickets.errors import InputError, InUseError
from rtickets.storage.locks import FILE, locked

HOLD = """
import sys, time
from pathlib import Path
from rtickets.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_folder_is_held_and_freed_and_nothing_is_left(tmp_path):
    for _ in range(2):
        with locked(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == [FILE]
        assert list(tmp_path.iterdir()) == []


def test_the_same_process_cannot_hold_it_twice(tmp_path):
    with locked(tmp_path):
        with (
            pytest.raises(InputError, match=f"in use by process {os.getpid()} on "),
            locked(tmp_path),
        ):
            pass
        with pytest.raises(InputError), locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


def test_it_is_freed_by_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    with locked(tmp_path):
        pass


def test_another_process_is_named(tmp_path, holder):
    with (
        pytest.raises(InUseError, match=f"in use by process {holder.pid} on ") as caught,
        locked(tmp_path),
    ):
        pass
    assert caught.value.folder == tmp_path
    assert "\n" not in str(caught.value)


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / FILE).read_text() == f"process {holder.pid} on {os.uname().nodename}"
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "process 1 on elsewhere", "\xff\xfe"])
def test_a_file_that_was_copied_or_left_by_another_host_is_no_lock(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with locked(tmp_path):
        pass


def test_a_holder_that_removes_the_file_meanwhile_does_not_let_two_in(tmp_path, monkeypatch):
    flock, calls = fcntl.flock, []

    def removed_before(descriptor, operation):
        if not calls:
            (tmp_path / FILE).unlink()  # the last holder ends between our opening and locking
        calls.append(operation)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with locked(tmp_path):
        assert len(calls) == 2
        with pytest.raises(InUseError), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        pass
    assert "cannot be locked" in capsys.readouterr().err


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path):
        pass


@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o022, 0o644)])
def test_a_lock_has_the_mode_that_the_umask_says(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with locked(tmp_path):
            assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == mode
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_file_in_the_place_of_a_lock_is_named_and_left_alone(tmp_path, kind):
    target, lock = tmp_path / "mine", tmp_path / FILE
    target.write_text("mine")
    if "link" in kind:
        lock.symlink_to(target if kind == "link" else "nowhere")
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(InputError, match=re.escape(str(lock))), locked(tmp_path):
        pass
    assert target.read_text() == "mine"
    assert os.path.lexists(lock)
