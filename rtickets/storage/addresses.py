"""Addresses of working directories, runs and tickets in a bucket: s3://BUCKET/PATH, gs://..."""

import importlib.util
import os
import re
from datetime import timedelta
from typing import Any, NamedTuple

from rtickets.errors import InputError, printable
from rtickets.platform.private import expanded

SCHEMES = ("s3", "gs")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OF_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # what `Path` makes of an address
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
_SECONDS = "30s"
_RETRIES, _PATIENCE = 10, timedelta(minutes=1)
_SERVERS = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL"}


class Address(NamedTuple):
    """Where something lies in a bucket.

    Attributes:
        scheme: 's3' or 'gs'.
        bucket: its name.
        path: names joined by '/', without one at either end; '' is the bucket itself.
    """

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        """Return the address as it is written."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.path}" if self.path else "")

    @property
    def parent(self) -> "Address":
        """The address of what this lies in."""
        return self._replace(path=self.path.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last of the names."""
        return self.path.rpartition("/")[2]


def is_address(text: object) -> bool:
    """Return whether a word is meant as an address of a bucket."""
    match = _ADDRESS.match(text) if isinstance(text, str) else None
    return match is not None and match[1] in SCHEMES


def is_any_address(text: str) -> bool:
    """Return whether a word is an address of anything, which is no path."""
    return _ADDRESS.match(text) is not None


def read_address(text: str) -> Address:
    """Return the address that a word names, or raise InputError."""
    match = _ADDRESS.fullmatch(text)
    bucket, _, path = (match[2] if match else "").partition("/")
    path = path.removesuffix("/")
    names = path.split("/") if path else []
    if match is None or match[1] not in SCHEMES:
        raise InputError(f"{text!r} is no address of a bucket; give s3://BUCKET/PATH or gs://...")
    if not _BUCKET.fullmatch(bucket):
        raise InputError(f"{text!r}: {bucket!r} is no name of a bucket; give {match[1]}://BUCKET")
    if {"", ".", ".."}.intersection(names) or not path.isprintable() or "\\" in path:
        raise InputError(f"{text!r}: {path!r} is no path in a bucket; give names joined by one /")
    return Address(match[1], bucket, path)


def check_no_other(path: object) -> None:
    """Raise InputError for an address of anything but a bucket, or one that became a `Path`.

    As a path it would be a folder of this name.
    """
    if isinstance(path, str) and is_any_address(path):
        read_address(path)
    elif _OF_PATH.match(str(path)):
        raise InputError(f"{path} was an address, or is no path; give an address as text, s3://...")


def absolute(text: str) -> str:
    """Return a path that means the same from every folder, or an address as it is written.

    Raises:
        InputError: for an address of anything but a bucket.
    """
    if is_any_address(text):  # as a path it would be a folder of this name
        return str(read_address(text))
    return str(expanded(text).absolute())


def server_of(address: Address) -> str:
    """Return the server that the environment names, '' for that of the provider."""
    return os.environ.get(_SERVERS[address.scheme], "")


def check_installed() -> None:
    """Raise InputError without `obstore`."""
    if importlib.util.find_spec("obstore") is None:
        raise InputError("s3:// and gs:// need obstore: pip install 'rtickets[cloud]'")


def connect(address: Address, seconds: str = _SECONDS, *, retries: bool = False) -> Any:
    """Return the store of `obstore` that has an address as its root; nothing is asked of it yet.

    Credentials, region and endpoint come from the environment or the machine, as the page
    docs/storage.md has it.

    Args:
        seconds: that a single request may take, such as '30s'.
        retries: try single requests again for a minute; else `Objects` does, where it still may.

    Raises:
        InputError: without `obstore`, or for settings that it refuses.
    """
    check_installed()
    from obstore import store as stores
    from obstore.exceptions import BaseError

    client: Any = {"timeout": seconds, "connect_timeout": "5s"}
    if server_of(address).startswith("http://"):
        client["allow_http"] = True
    kind = stores.S3Store if address.scheme == "s3" else stores.GCSStore
    try:
        return kind(
            address.bucket,
            prefix=address.path or None,
            client_options=client,
            retry_config={
                "max_retries": _RETRIES if retries else 0,
                "retry_timeout": _PATIENCE,
            },
        )
    except (BaseError, ValueError, OSError) as error:
        raise InputError(f"{address}: {printable(_line(error))}") from None


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
