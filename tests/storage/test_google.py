"""Google Cloud Storage, as its client of `obstore` speaks: objects, conditions by generations."""

import importlib.util
from pathlib import Path

import pytest

from rtickets.errors import InUseError
from rtickets.storage import addresses, conditions, fetched, leases
from rtickets.storage.holders import Owner
from rtickets.storage.objects import Objects, StorageError

pytest.importorskip("obstore")
pytest.importorskip("moto")
FILE = Path(__file__).parents[1] / "bucket.py"


def load():
    spec = importlib.util.spec_from_file_location("bucket", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


buckets = load()
TOP = f"gs://{buckets.BUCKET}/runs"


@pytest.fixture(scope="module")
def server():
    with buckets.serving() as bucket:
        yield bucket


@pytest.fixture
def there(server, monkeypatch):
    monkeypatch.setattr(conditions, "_checked", set())
    server.fault = lambda _: None
    found = Objects(addresses.connect(addresses.read_address(TOP)), TOP, 0.5)
    for entry in found.entries(""):
        found.delete(entry.key)
    return found


def test_objects_are_written_listed_read_and_removed(there, tmp_path):
    (tmp_path / "large").write_bytes(bytes(range(256)) * 99)
    there.put("a/b", b"hello")
    with (tmp_path / "large").open("rb") as file:
        there.put("a/large", file)
    there.put("c", b"")
    assert [(one.key, one.size) for one in there.entries("")] == [
        ("a/b", 5), ("a/large", 256 * 99), ("c", 0),
    ]  # fmt: skip
    assert there.folders() == ["a"]
    data, tag = there.read("a/b")
    assert data == b"hello"
    assert set(tag) == {"e_tag", "version"}
    assert there.piece("a/b", 1, 3) == (b"el", tag)
    assert there.entry("a/b").size == 5
    there.download(there.entry("a/large"), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "large").read_bytes()
    for key in ("a/b", "a/none", "a/large"):
        there.delete(key)
    assert [one.key for one in there.entries("")] == ["c"]
    for read in (there.read, there.entry):
        with pytest.raises(FileNotFoundError):
            read("a/b")


def test_an_object_is_created_once_and_replaced_only_as_long_as_it_is_the_same(there):
    first = there.create("x", b"1")
    assert first is not None
    assert there.create("x", b"2") is None
    second = there.replace("x", b"3", first)
    assert second is not None
    assert second != first
    assert there.replace("x", b"4", first) is None
    assert there.read("x") == (b"3", second)
    same = there.replace("x", b"3", second)  # of the same bytes: generations tell them apart
    assert same["version"] != second["version"]
    there.delete("x")
    assert there.replace("x", b"5", same) is None


def test_bytes_are_written_over_what_a_list_has_and_not_over_what_came_meanwhile(there):
    first = there.put("x", b"1")
    (listed,) = there.entries("")
    second = there.put("x", b"2", listed.identity)
    assert second["version"] != first["version"]
    asked = []
    there.fenced(lambda: None, lambda: asked.append(True)).put("x", b"3", listed.identity)
    assert asked == [True]
    assert there.read("x")[0] == b"3"


def test_conditions_are_kept_and_a_server_that_ignores_them_is_refused(there, server, monkeypatch):
    conditions.check(there, ".claims")

    def ignores(environ):
        environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None)

    server.fault = ignores
    monkeypatch.setattr(conditions, "_checked", set())
    with pytest.raises(StorageError, match="does not keep to conditions"):
        conditions.check(there, ".claims")


def test_a_claim_has_one_holder(there, tmp_path):
    def claim(name):
        owner = Owner(name, 6.0)
        return leases.Lease(there, ".claims/run", tmp_path / "run", owner, lambda _: False)

    one, other = claim("one"), claim("other")
    one.acquire()
    one.renew()
    one.check()
    with pytest.raises(InUseError):
        other.acquire()
    one.release(forever=False)
    other.acquire()
    other.check()
    one.renew()
    assert one.lost


def test_an_object_of_another_size_is_not_that_of_the_list(there, tmp_path):
    there.put("key", b"short")
    (entry,) = there.entries("")
    there.download(entry._replace(tag="told otherwise in lists"), tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == b"short"
    there.put("key", b"longer than before")
    with pytest.raises(FileNotFoundError):
        there.download(entry, tmp_path / "key")
    there.delete("key")


def test_data_are_fetched(there, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    there.put("set/a/1.png", b"one")
    there.put("set/2.png", b"")
    place = fetched.here(f"{TOP}/set")
    assert (place / "a" / "1.png").read_bytes() == b"one"
    assert (place / "2.png").read_bytes() == b""
    fetched.forget()
    assert fetched.here(f"{TOP}/set/a/1.png").read_bytes() == b"one"
    fetched.forget()


def test_what_is_not_there_is_named(server):
    nowhere = "gs://no-such-bucket/runs"
    there = Objects(addresses.connect(addresses.read_address(nowhere)), nowhere, 0.5)
    with pytest.raises(StorageError, match=nowhere):
        there.folders()
