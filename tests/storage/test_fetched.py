"""What lies in a bucket is fetched once, whole or not at all, and is a file like any other then."""

import errno
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from rtickets.errors import InputError, Preempted, printable
from rtickets.platform import preemption
from rtickets.storage import addresses, fetched, fetching, objects
from rtickets.storage.fetching import NothingThereError
from rtickets.storage.objects import Objects, StorageError

pytest.importorskip("obstore")
pytest.importorskip("moto")
ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


buckets = load("bucket")
TOP = f"s3://{buckets.BUCKET}"
SET = {"set/a/1.png": b"one", "set/a/2.png": b"two" * 1000, "set/b/empty": b"", "set/c": b"c"}


@pytest.fixture(scope="module")
def server():
    with buckets.serving() as bucket:
        yield bucket


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """The server without faults and objects, and a machine that fetched nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with buckets.emptied(server, TOP) as store:
        for key, data in SET.items():
            store.put(key, data)
        server.requests.clear()
        yield server
    fetched.forget()


def there():
    return Objects(addresses.connect(addresses.read_address(TOP)), TOP)


def read(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def gets(bucket):
    """Return the paths of all objects that were asked for, and forget them."""
    found = [path for method, path in bucket.requests if method == "GET" and path.count("/") > 1]
    bucket.requests.clear()
    return sorted(
        path.removeprefix(f"/{buckets.BUCKET}/") for path in found if "." in path or "/" in path
    )


def versions(tmp_path):
    (base,) = (tmp_path / "cache" / "rtickets" / "data").iterdir()
    return sorted(path.name for path in base.iterdir() if path.is_dir())


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


def put(key, data, bucket):
    """Write an object past the server's faults, under any key."""
    fault, bucket.fault = bucket.fault, lambda _: None
    url = f"{bucket.url}/{buckets.BUCKET}/{urllib.parse.quote(key)}"
    request = urllib.request.Request(url, data=data, method="PUT")
    request.add_header("Content-Type", "application/octet-stream")  # no form
    credential = f"{buckets.KEY}/20261127/us-east-1/s3/aws4_request"
    request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={credential}")
    urllib.request.urlopen(request, timeout=30).read()
    bucket.fault = fault


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


@pytest.mark.parametrize("address", [f"{TOP}/nothing", f"{TOP}/set/a/1.pn", f"{TOP}/set/c/x"])
def test_an_address_with_nothing_there_is_named(address, bucket):
    with pytest.raises(NothingThereError, match=address):
        fetched.here(address)


def test_a_bucket_that_is_not_there_is_named(bucket, monkeypatch):
    with pytest.raises(StorageError, match="no such bucket"):
        fetched.here("s3://no-such-bucket/set")


def test_errors_name_the_address(bucket):
    place = fetched.here(f"{TOP}/set")
    assert printable(place / "a") == f"{TOP}/set/a"
    fetched.forget()
    assert printable(place / "a") != f"{TOP}/set/a"


def entry(key, size=1):
    return objects.Entry(key, size, 0.0, "tag")


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/x", "a//x", "./x", "a/..", "a/\0", "x" * 256]
)
def test_a_key_that_leads_elsewhere_is_refused(key):
    address = addresses.read_address(f"{TOP}/set")
    with pytest.raises(InputError, match="can be no file here"):
        fetching._files([entry("fine"), entry(key)], "set", address)


def test_objects_that_stand_for_folders_are_no_files():
    address = addresses.read_address(f"{TOP}/set")
    found = fetching._files([entry("", 0), entry("a", 0), entry("a/b")], "set", address)
    assert list(found) == ["set/a/b"]
    with pytest.raises(InputError, match="an object and a folder"):
        fetching._files([entry("a", 3), entry("a/b")], "set", address)
