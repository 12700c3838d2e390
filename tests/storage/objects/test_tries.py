"""What is tried again, and what is refused at once."""

import time
import urllib.request

import pytest

from rtickets.errors import RefusedError, StorageError
from rtickets.storage import tries
from rtickets.storage.objects import Objects
from tests import bucket as buckets
from tests.storage.objects.conftest import answer, at

pytest.importorskip("obstore")
pytest.importorskip("moto")


ASKED = {
    "put": lambda store: store.put("key", b"1"),
    "put over": lambda store: store.put("key", b"1", {"e_tag": '"0"'}),
    "create": lambda store: store.create("key", b"1"),
    "list": lambda store: store.entries(""),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404 Not Found", "NoSuchBucket"),
        ("301 Moved Permanently", "PermanentRedirect"),
        ("501 Not Implemented", "NotImplemented"),
        ("403 Forbidden", "AccessDenied"),
    ],
)
def test_what_would_be_refused_again_is_refused_at_once(bucket, status, code, asked):
    bucket.fault = answer(status, code)
    began = time.monotonic()
    with pytest.raises(RefusedError, match=buckets.BUCKET):
        ASKED[asked](at("refused"))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("asked", ["put", "create"])
def test_an_object_that_was_not_written_is_no_success(bucket, asked):
    bucket.fault = answer("404 Not Found", "NoSuchKey")
    with pytest.raises(RefusedError, match="404"):
        ASKED[asked](at("none"))


def test_what_is_not_there_is_not_found(bucket):
    store = at("none")
    with pytest.raises(FileNotFoundError):
        store.read("key")
    store.delete("key")
    assert store.entries("") == []


def request(bucket, method, path):
    """Ask for a key that `obstore` does not take."""
    asked = urllib.request.Request(f"{bucket.url}/{buckets.BUCKET}/{path}", method=method)
    asked.data = b"x" if method == "PUT" else None
    asked.add_header(
        "Authorization",
        f"AWS4-HMAC-SHA256 Credential={buckets.KEY}/20261127/us-east-1/s3/aws4_request",
    )
    urllib.request.urlopen(asked, timeout=30).read()


def test_a_key_that_is_no_path_is_named_at_once(bucket):
    request(bucket, "PUT", "odd/a//b")
    try:
        with pytest.raises(RefusedError, match="a//b"):
            at("odd").entries("")
    finally:
        request(bucket, "DELETE", "odd/a//b")


class Failing:
    """A store whose first request takes long, and fails."""

    def __init__(self, clock):
        self._clock, self.count = clock, 0

    def list_with_delimiter(self):
        self.count += 1
        self._clock[0] += 100.0
        if self.count == 1:
            raise ConnectionError("it stopped")
        return {"common_prefixes": []}


def test_patience_begins_with_the_first_failure(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(tries.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(tries.time, "sleep", lambda _: None)
    store = Failing(clock)
    assert Objects(store, "it", patience=60.0).folders() == []
    assert store.count == 2
    store.count = 0
    with pytest.raises(StorageError, match="failed for 0 s"):
        Objects(store, "it", patience=0.0).folders()
