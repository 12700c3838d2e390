"""Objects in a bucket: read, written whole or not at all, and conditionally, with patience.

There is no rename and no lock in a bucket. What there is: an object appears whole; one can be
created only where there is none, and replaced only as long as it is what was read. S3 has this as
If-None-Match and If-Match, Google Cloud Storage by generations; `obstore` speaks both.
"""

import random
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from rtickets.errors import printable

T = TypeVar("T")
Tag = dict[str, Any]  # what identifies the contents of an object

PATIENCE = 60.0  # seconds for which a request that fails is tried again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 8.0
_CHUNK = 8 * 2**20
_SHORTER = "status code: 416"
_NO_PATH = "invalid path"
_REFUSED = re.compile(r"status code: 4(?!04|08|09|25|29)\d\d")


class StorageError(OSError):
    """A bucket that cannot be had, or refuses."""


class Entry(NamedTuple):
    """An object as a list has it.

    Attributes:
        key: its name.
        size: bytes.
        changed: when it was written, seconds since 1970 by the clock of the bucket.
        tag: identifies its contents.
    """

    key: str
    size: int
    changed: float
    tag: str


class Store(Protocol):
    """What is asked of a bucket; keys are names joined by '/'."""

    def read(self, key: str) -> tuple[bytes, Tag]:
        """Return an object and its tag; raise FileNotFoundError where there is none."""

    def download(self, key: str, file: Path) -> None:
        """Write an object to a file; raise FileNotFoundError where there is none."""

    def put(self, key: str, contents: bytes | Path) -> None:
        """Write an object, also where there is one."""

    def create(self, key: str, contents: bytes) -> Tag | None:
        """Write an object where there is none; return None where there is one."""

    def replace(self, key: str, contents: bytes, tag: Tag) -> Tag | None:
        """Write an object where there is that of the tag; return None where that is not so."""

    def entries(self, prefix: str) -> list[Entry]:
        """Return all objects in a folder, '' for all."""

    def folders(self) -> list[str]:
        """Return the first names of all keys that have more than one."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, as far as they are there."""


def _anything() -> None:
    """Refuse nothing."""


class Objects:
    """The `Store` of a bucket, or of anything else that `obstore` knows."""

    def __init__(self, store: Any, name: str, patience: float = PATIENCE) -> None:
        """Bind it.

        Args:
            store: of `obstore`, see `rtickets.storage.addresses.connect`.
            name: its address, for messages.
            patience: seconds for which a request that fails is tried again.
        """
        self._store, self.name, self._patience = store, name, patience
        self._check = _anything

    def fenced(self, check: Callable[[], None]) -> "Objects":
        """Return the same, which asks before every try whether it still may; `check` raises."""
        mine = Objects(self._store, self.name, self._patience)
        mine._check = check
        return mine

    def read(self, key: str) -> tuple[bytes, Tag]:
        """See `Store`."""

        def get() -> tuple[bytes, Tag]:
            found = self._store.get(key)
            return bytes(found.bytes()), _tag(found.meta)

        return self._tried(f"reading {key}", get)

    def download(self, key: str, file: Path) -> None:
        """See `Store`."""

        def get() -> None:
            found = self._store.get(key)
            with file.open("wb") as to:
                for chunk in found.stream(min_chunk_size=_CHUNK):
                    to.write(chunk)
            if file.stat().st_size != found.meta["size"]:
                raise ConnectionError("the connection ended too soon")

        self._tried(f"reading {key}", get)

    def piece(self, key: str, start: int, end: int) -> tuple[bytes, Tag]:
        """Return bytes `start` to `end` of an object, and its tag.

        FileNotFoundError is raised where there is none, or it ends before.
        """
        from obstore.exceptions import BaseError

        def get() -> tuple[bytes, Tag]:
            try:
                found = self._store.get(key, options={"range": (start, end)})
            except BaseError as error:
                if _SHORTER in str(error):
                    raise FileNotFoundError(key) from None
                raise
            if found.meta["size"] < end:
                raise FileNotFoundError(key)
            data = bytes(found.bytes())
            if len(data) != end - start:
                raise ConnectionError("the connection ended too soon")
            return data, _tag(found.meta)

        return self._tried(f"reading {key}", get)

    def entry(self, key: str) -> Entry:
        """Return an object as a list has it; raise FileNotFoundError where there is none."""
        return self._tried(f"looking at {key}", lambda: _entry(self._store.head(key)))

    def put(self, key: str, contents: bytes | Path) -> None:
        """See `Store`."""
        self._tried(f"writing {key}", lambda: self._store.put(key, contents))

    def create(self, key: str, contents: bytes) -> Tag | None:
        """See `Store`."""
        return self._conditionally(key, contents, "create")

    def replace(self, key: str, contents: bytes, tag: Tag) -> Tag | None:
        """See `Store`."""
        return self._conditionally(key, contents, tag)

    def _conditionally(self, key: str, contents: bytes, mode: Any) -> Tag | None:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> Tag | None:
            try:
                return _tag(self._store.put(key, contents, mode=mode))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None

        found = self._tried(f"writing {key}", put)
        if found is not None:
            return found
        try:  # by a try before, whose answer got lost
            there, tag = self.read(key)
        except FileNotFoundError:
            return None
        return tag if there == contents and contents else None

    def entries(self, prefix: str) -> list[Entry]:
        """See `Store`."""

        def get() -> list[Entry]:
            parts = self._store.list(f"{prefix}/" if prefix else None)
            return [_entry(each) for part in parts for each in part]

        return self._tried(f"listing {prefix or 'it'}", get)

    def folders(self) -> list[str]:
        """See `Store`."""

        def get() -> list[str]:
            found = self._store.list_with_delimiter()["common_prefixes"]
            return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

        return self._tried("listing it", get)

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store`."""
        keys = list(keys)

        def remove() -> None:
            for key in keys:
                try:
                    self._store.delete(key)
                except FileNotFoundError:
                    continue

        self._tried(f"removing {keys[0]}", remove) if keys else None

    def _tried(self, what: str, call: Callable[[], T]) -> T:
        """Call, and again for as long as patience lasts where that may help."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        end, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            self._check()
            try:
                return call()
            except FileNotFoundError:
                raise
            except (BaseError, ConnectionError) as error:
                refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
                if refused or _REFUSED.search(str(error)):  # lists have one kind of error
                    raise StorageError(
                        f"{self.name} refuses {what} ({_line(error)}); check bucket, region and "
                        "credentials, see docs/storage.md"
                    ) from None
                if _NO_PATH in str(error):
                    raise StorageError(
                        f"{self.name} has an object whose name is no path of a file "
                        f"({_line(error)}); rename it"
                    ) from None
                if "NoSuchBucket" in str(error):
                    raise StorageError(f"{self.name}: there is no such bucket; make it") from None
                if time.monotonic() + pause > end:
                    raise StorageError(
                        f"{self.name}: {what} failed for {self._patience:.0f} s ({_line(error)}); "
                        "what was written before is intact: check the network, and give the same "
                        "command again"
                    ) from None
            time.sleep(pause * random.uniform(0.5, 1))  # so that workers do not come all at once
            pause = min(2 * pause, _LONGEST_PAUSE)


def _tag(found: Any) -> Tag:
    both = {name: found.get(name) for name in ("e_tag", "version")}
    return {name: value for name, value in both.items() if value is not None}


def _entry(found: Any) -> Entry:
    tag = found.get("e_tag") or str(found.get("version"))
    return Entry(found["path"], found["size"], found["last_modified"].timestamp(), tag)


def _line(error: Exception) -> str:
    """Return what an error says in a line: `obstore` shows the error in its error below it."""
    return printable(" ".join(str(error).split("Debug source")[0].split()))[:300]
