"""Objects are read in pieces, and never mixed."""

import time

import pytest

from rtickets.storage import objects
from tests.storage.objects.conftest import at

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_an_object_that_takes_longer_than_a_request_may_is_read_in_pieces(
    bucket, monkeypatch, tmp_path
):
    monkeypatch.setattr(objects, "_PIECE", 1000)
    store, contents = at("slow", "3s", patience=0.5), bytes(range(256)) * 10
    store.put("key", contents)
    ranges = []

    def slow(environ):
        """A second for a thousand bytes, and once a failure."""
        if environ["REQUEST_METHOD"] == "GET" and "/slow/key" in environ["PATH_INFO"]:
            ranges.append(environ.get("HTTP_RANGE"))
            if len(ranges) == 2:
                return "503 Slow Down", "<Error><Code>SlowDown</Code></Error>"
            time.sleep(1.0 if ranges[-1] else 4.0)
        return None

    bucket.fault = slow
    (entry,) = store.entries("")
    store.download(entry, tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == contents
    assert ranges == ["bytes=0-999", "bytes=1000-1999", "bytes=1000-1999", "bytes=2000-2559"]


def test_an_object_that_changes_while_it_is_read_is_not_mixed(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(objects, "_PIECE", 1000)
    store = at("changes")
    store.put("key", b"a" * 2000)
    (entry,) = store.entries("")
    real, pieces = store.piece, []

    def piece(*words):
        if pieces:
            store.put("key", b"b" * 2000)
        pieces.append(words)
        return real(*words)

    monkeypatch.setattr(store, "piece", piece)
    with pytest.raises(FileNotFoundError):
        store.download(entry, tmp_path / "key")


def test_an_object_that_is_another_than_a_list_has_is_not_cut_to_its_size(bucket, tmp_path):
    store = at("another")
    store.put("key", b"short")
    (entry,) = store.entries("")
    store.put("key", b"longer than before")
    with pytest.raises(FileNotFoundError):
        store.download(entry, tmp_path / "key")
