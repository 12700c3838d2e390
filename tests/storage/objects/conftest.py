"""A server of buckets on this machine."""

import pytest

from rtickets.storage import addresses
from rtickets.storage.objects import Objects
from tests import bucket as buckets


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
