"""Objects are written in parts, over what is known, and by one of many at one moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtickets.errors import InUseError, LostError
from rtickets.storage import objects
from rtickets.storage.holders import Owner, read_holder
from rtickets.storage.leases import Lease
from tests.storage.objects.conftest import at

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_a_large_object_ends_with_the_right_to_write_it(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_PIECE", 2**20)
    (tmp_path / "large").write_bytes(b"x" * 12 * 2**20)
    asked = []

    def check():
        asked.append(True)
        if len(asked) > 8:
            raise LostError("lost", Path("run"))

    store = at("lost")
    with (tmp_path / "large").open("rb") as file, pytest.raises(LostError):
        store.fenced(check).put("key", file)
    assert store.entries("") == []


def test_a_part_of_a_large_object_that_fails_is_tried_again(bucket, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 6 * 2**20)
    failed = []

    def once(environ):
        if "partNumber=2" in environ["QUERY_STRING"] and not failed:
            failed.append(True)
            return "503 Slow Down", "<Error><Code>SlowDown</Code></Error>"
        return None

    bucket.fault = once
    store = at("large", patience=0.0)
    with (tmp_path / "large").open("rb") as file:
        tag = store.put("key", file)
    (entry,) = store.entries("")
    assert (entry.size, failed) == (6 * 2**20, [True])
    assert objects.same(tag, entry.identity)


def test_bytes_are_written_over_what_is_there_and_not_over_what_came_meanwhile(bucket):
    store, other = at("over"), at("over")
    first = store.put("key", b"mine")
    second = store.put("key", b"mine again", first)
    other.put("key", b"theirs", second)

    def is_sure():
        raise LostError("lost", Path("run"))

    with pytest.raises(LostError):
        store.fenced(lambda: None, is_sure).put("key", b"late", second)
    assert store.read("key")[0] == b"theirs"
    store.put("key", b"mine in the end", second)  # nobody has it but this process
    assert store.read("key")[0] == b"mine in the end"
    assert store.put("key", b"")
    assert store.read("key")[0] == b""


MANY = 8


def at_once(call):
    """Return what many threads get that call at one moment, each with its number."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(call, range(MANY)))


def together(method):
    """A fault: no such request is answered before all of them have arrived."""
    arrived = threading.Barrier(MANY, timeout=30)

    def wait(environ):
        if environ["REQUEST_METHOD"] == method and not arrived.broken:
            arrived.wait()

    return wait


def test_of_many_creations_at_one_moment_one_is_done(bucket):
    store = at("race")
    bucket.fault = together("PUT")
    tags = at_once(lambda number: store.create("key", str(number).encode()))
    bucket.fault = lambda _: None
    (winner,) = [number for number, tag in enumerate(tags) if tag is not None]
    data, tag = store.read("key")
    assert (data, tag) == (str(winner).encode(), tags[winner])
    bucket.fault = together("PUT")
    again = at_once(lambda number: store.replace("key", f"again {number}".encode(), tag))
    bucket.fault = lambda _: None
    (winner,) = [number for number, tag in enumerate(again) if tag is not None]
    assert store.read("key") == (f"again {winner}".encode(), again[winner])


def test_of_many_claims_at_one_moment_one_is_had(bucket, tmp_path):
    def acquire(number):
        owner = Owner(str(number), 60.0)
        lease = Lease(at("claims"), ".claims/run", tmp_path, owner, lambda _: False)
        try:
            lease.acquire()
        except InUseError:
            return None
        return lease

    bucket.fault = together("PUT")
    leases = at_once(acquire)
    bucket.fault = lambda _: None
    (winner,) = [number for number, lease in enumerate(leases) if lease is not None]
    leases[winner].confirm()
    data, _ = at("claims").read(".claims/run")
    assert read_holder(data).owner == str(winner)
