"""Servers and disks that fail while something is fetched."""

import errno
import os
import shutil
import time

import pytest

from rtickets.errors import InputError, Preempted
from rtickets.platform import preemption
from rtickets.storage import fetched, fetching
from rtickets.storage.objects import StorageError
from tests.storage.fetched.conftest import SET, TOP, buckets, gets, read, versions

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_a_server_that_fails_some_requests_is_asked_again(bucket):
    bucket.fault = buckets.Sometimes(3)
    assert read(fetched.here(f"{TOP}/set")) == {
        key.removeprefix("set/"): data for key, data in SET.items()
    }


def no_second(environ):
    """A fault: one object is never had."""
    if environ["PATH_INFO"].endswith("2.png") and environ["REQUEST_METHOD"] == "GET":
        return "500 Internal Server Error", "<Error><Code>InternalError</Code></Error>"
    return None


def test_what_fails_for_good_leaves_nothing_that_is_used_and_goes_on(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "PATIENCE", 0.3)
    bucket.fault = no_second
    with pytest.raises(StorageError, match=r"2\.png failed"):
        fetched.here(f"{TOP}/set")
    assert [name for name in versions(tmp_path) if not name.endswith(".part")] == []
    bucket.fault = lambda _: None
    gets(bucket)
    assert len(read(fetched.here(f"{TOP}/set"))) == 4
    assert gets(bucket) == ["set/a/2.png"]


def test_a_disk_without_room_is_one_line_before_anything_is_fetched(bucket, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(fetched.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="XDG_CACHE_HOME") as caught:
        fetched.here(f"{TOP}/set")
    assert "0.0 MB" in str(caught.value)
    assert [key for key in gets(bucket) if key.startswith("set/")] == []


def test_a_disk_that_becomes_full_leaves_nothing_that_is_used(bucket, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as within:
        within.setattr(fetching.os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            fetched.here(f"{TOP}/set")
    assert [name for name in versions(tmp_path) if not name.endswith(".part")] == []
    assert len(read(fetched.here(f"{TOP}/set"))) == 4


def test_a_process_that_is_asked_to_stop_does(bucket, monkeypatch):
    def asked():
        raise Preempted("asked to stop")

    bucket.fault = lambda environ: time.sleep(0.5 if environ["PATH_INFO"].endswith("2.png") else 0)
    monkeypatch.setattr(preemption, "check", asked)
    with pytest.raises(Preempted):
        fetched.here(f"{TOP}/set")
    monkeypatch.undo()


def test_a_copy_that_was_damaged_is_named(bucket):
    place = fetched.here(f"{TOP}/set")
    (place / "c").unlink()
    fetched.forget()
    with pytest.raises(InputError, match="is not what was fetched; remove"):
        fetched.here(f"{TOP}/set")


def test_a_disk_without_locks_is_refused(bucket, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fetched.fcntl, "flock", none)
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        fetched.here(f"{TOP}/set")
