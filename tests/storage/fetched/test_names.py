"""Addresses with nothing there, and keys that can be no files."""

import pytest

from rtickets.errors import InputError, printable
from rtickets.storage import addresses, fetched, fetching, objects
from rtickets.storage.fetching import NothingThereError
from rtickets.storage.objects import StorageError
from tests.storage.fetched.conftest import TOP

pytest.importorskip("obstore")
pytest.importorskip("moto")


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
