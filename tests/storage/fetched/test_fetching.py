"""What lies in a bucket is fetched once, whole or not at all, and is a file like any other then."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rtickets.errors import InputError
from rtickets.storage import fetched, fetching
from tests.storage.fetched.conftest import ROOT, SET, TOP, gets, put, read, there, versions

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_a_path_stays_as_it_is(tmp_path):
    assert fetched.here(str(tmp_path / "x")) == tmp_path / "x"


def test_what_was_fetched_is_what_is_there_and_is_not_fetched_again(bucket, capsys):
    place = fetched.here(f"{TOP}/set/")
    assert place.name == "set"
    assert read(place) == {key.removeprefix("set/"): data for key, data in SET.items()}
    said = capsys.readouterr().err
    assert "4 of 4 files, 0.0 MB" in said
    assert said.count("\n") == 2
    assert not [
        path for path in place.rglob("*") if path.is_file() and os.access(path, os.W_OK)
    ] or (os.geteuid() == 0)
    before = len(bucket.requests)
    assert fetched.here(f"{TOP}/set") == place
    assert len(bucket.requests) == before  # a process looks once
    fetched.forget()
    bucket.requests.clear()
    assert fetched.here(f"{TOP}/set") == place
    assert len(bucket.requests) == 1  # the list
    assert capsys.readouterr().err == ""


def test_one_object_is_a_file_of_its_name(bucket):
    place = fetched.here(f"{TOP}/set/a/1.png")
    assert (place.name, place.read_bytes()) == ("1.png", b"one")
    assert sum(path.is_file() for path in place.parent.rglob("*")) == 1


def test_large_objects_arrive_in_pieces(bucket, monkeypatch):
    data = bytes(range(256)) * 40
    there().put("set/large", data)
    monkeypatch.setattr(fetching, "_PIECE", 1000)
    assert (fetched.here(f"{TOP}/set") / "large").read_bytes() == data
    assert gets(bucket).count("set/large") == 11


def test_only_what_changed_is_fetched_anew_and_no_reader_sees_a_change(bucket, tmp_path):
    before = fetched.here(f"{TOP}/set")
    first = versions(tmp_path)
    store = there()
    store.put("set/a/1.png", b"ONE")
    store.put("set/d", b"d")
    store.delete("set/c")
    bucket.requests.clear()
    holding = [*fetched._held]  # another process reads from it
    fetched._held.clear()
    fetched.forget()
    after = fetched.here(f"{TOP}/set")
    assert gets(bucket) == ["set/a/1.png", "set/d"]
    assert {path.name: path.read_bytes() for path in after.rglob("1.png")} == {"1.png": b"ONE"}
    assert {path.name for path in after.iterdir()} == {"a", "b", "d"}
    assert (before / "a" / "1.png").read_bytes() == b"one"
    assert (before / "c").is_file()
    assert len(versions(tmp_path)) == 2

    for descriptor in holding:  # it has ended: the next that fetches removes what it read
        os.close(descriptor)
    store.put("set/d", b"D")
    fetched.forget()
    assert (fetched.here(f"{TOP}/set") / "d").read_bytes() == b"D"
    assert len(versions(tmp_path)) == 1
    assert versions(tmp_path) != first


def test_an_object_that_changes_while_it_is_fetched_is_fetched_again(bucket):
    changes = iter((b"ONE", b"Two"))

    def change(environ):
        if environ["PATH_INFO"].endswith("1.png") and environ["REQUEST_METHOD"] == "GET":
            data = next(changes, None)
            if data is not None:
                put("set/a/1.png", data, bucket)

    bucket.fault = change
    assert (fetched.here(f"{TOP}/set") / "a" / "1.png").read_bytes() == b"Two"


def test_an_address_that_changes_all_the_time_is_refused(bucket, tmp_path):
    count = iter(range(1000))

    def change(environ):
        if environ["PATH_INFO"].endswith("1.png") and environ["REQUEST_METHOD"] == "GET":
            put("set/a/1.png", b"%d" % next(count), bucket)

    bucket.fault = change
    with pytest.raises(InputError, match="changes while it is fetched"):
        fetched.here(f"{TOP}/set")
    assert [name for name in versions(tmp_path) if "." not in name] == []


HERE = "import sys; from rtickets.storage import fetched; print(fetched.here(sys.argv[1]))"


def start(word):
    words = [sys.executable, "-c", HERE, word]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        words, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_process_that_is_killed_leaves_nothing_that_is_used(bucket, tmp_path):
    reached = threading.Event()

    def holds(environ):
        if environ["PATH_INFO"].endswith("2.png") and environ["REQUEST_METHOD"] == "GET":
            time.sleep(0.5)  # so that the others arrive
            reached.set()
            time.sleep(0.5)
        return None

    bucket.fault = holds
    with start(f"{TOP}/set") as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGKILL)
    assert [name for name in versions(tmp_path) if not name.endswith(".part")] == []
    bucket.fault = lambda _: None
    time.sleep(0.6)
    gets(bucket)
    assert len(read(fetched.here(f"{TOP}/set"))) == 4
    assert gets(bucket) == ["set/a/2.png"]


def test_of_two_processes_one_fetches(bucket):
    def slow(environ):
        time.sleep(0.3 if environ["PATH_INFO"].endswith("2.png") else 0)

    bucket.fault = slow
    with start(f"{TOP}/set") as one, start(f"{TOP}/set") as other:
        found = {process.communicate(timeout=120)[0] for process in (one, other)}
    assert [one.returncode, other.returncode] == [0, 0]
    (place,) = found
    assert len(read(Path(place.strip()))) == 4
    assert [key for key in gets(bucket) if key.startswith("set/")] == sorted(
        SET.keys() - {"set/b/empty"}
    )
