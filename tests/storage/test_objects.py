"""Objects of a bucket on a server of this machine: what is tried again, what is refused at once."""

import importlib.util
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtickets.errors import InUseError, LostError, RefusedError, StorageError
from rtickets.storage import addresses, objects, tries
from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects

pytest.importorskip("obstore")
pytest.importorskip("moto")
file = Path(__file__).parents[1] / "bucket.py"
spec = importlib.util.spec_from_file_location("bucket", file)
buckets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(buckets)


@pytest.fixture(scope="module")
def server():
    with buckets.serving() as bucket:
        yield bucket


@pytest.fixture
def bucket(server):
    server.fault = lambda _: None
    yield server
    server.fault = lambda _: None


def at(path, seconds="30s", patience=60.0):
    address = addresses.read_address(f"s3://{buckets.BUCKET}/{path}")
    large = addresses.connect(address, seconds, retries=True)
    return Objects(addresses.connect(address, seconds), str(address), patience, large)


def answer(status, code):
    return lambda _: (status, f"<Error><Code>{code}</Code><Message>m</Message></Error>")


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
    (lease,) = [lease for lease in at_once(acquire) if lease is not None]
    bucket.fault = lambda _: None
    lease.confirm()


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
