"""A set in a bucket of a server on this machine, and a machine that fetched nothing yet."""

import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from rtickets.storage import addresses, fetched
from rtickets.storage.objects import Objects
from tests import bucket as buckets

ROOT = Path(__file__).parents[3]
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
