"""Objects in a bucket: read, written whole or not at all, and conditionally, with patience.

There is no rename and no lock in a bucket. What there is: an object appears whole; one can be
created only where there is none, and replaced only as long as it is what was read. S3 has this as
If-None-Match and If-Match, Google Cloud Storage by generations; `obstore` speaks both.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from rtickets.errors import StorageError
from rtickets.storage.entries import Entry, Tag, differ, entry_of, same, tag_of
from rtickets.storage.tries import PATIENCE, Request, tried

T = TypeVar("T")

_TRIES = 8  # to write over what others write
_PIECE = 4 * 2**20  # bytes that are read at once, which arrive in time over slow networks as well
_PARTS_AT_ONCE = 4  # of a large object, likewise
_SHORTER = "status code: 416"


def _anything() -> None:
    """Refuse nothing."""


class Objects:
    """The objects of a bucket, or of anything else that `obstore` knows.

    Keys are names joined by '/'.
    """

    def __init__(
        self, store: Any, name: str, patience: float = PATIENCE, large: Any = None
    ) -> None:
        """Bind it.

        Args:
            store: of `obstore`, see `rtickets.storage.addresses.connect`.
            name: its address, for messages.
            patience: seconds for which a request that fails is tried again.
            large: the store for what is written in parts, which tries each of them again.
        """
        self._store, self.name, self._patience = store, name, patience
        self._large = large or store
        self._by_number = type(store).__name__ == "GCSStore"  # conditions are about versions
        self._one_large = threading.Lock()
        self._check = self._is_sure = _anything

    def fenced(
        self, check: Callable[[], None], is_sure: Callable[[], None] | None = None
    ) -> "Objects":
        """Return the same, which asks before every try whether it still may.

        Args:
            check: raises where that is known not to be so.
            is_sure: likewise, and asks the bucket; called where an object is not what was expected.
        """
        mine = Objects(self._store, self.name, self._patience, self._large)
        mine._one_large = self._one_large
        mine._check, mine._is_sure = check, is_sure or check
        return mine

    def read(self, key: str) -> tuple[bytes, Tag]:
        """Return an object and its tag; raise FileNotFoundError where there is none."""

        def get() -> tuple[bytes, Tag]:
            found = self._store.get(key)
            return bytes(found.bytes()), tag_of(found.meta)

        return self._tried(f"reading {key}", get, may_lack=True)

    def download(self, entry: Entry, file: Path) -> None:
        """Write an object to a file, in pieces, each of which has time of its own.

        FileNotFoundError is raised where there is none, or another than the entry has.
        """
        first: Tag | None = None
        with file.open("wb") as to:
            while (start := to.tell()) < entry.size:
                end = min(start + _PIECE, entry.size)
                data, tag = self.piece(entry.key, start, end, entry.size)
                if self._is_another(tag, entry) or (first is not None and not same(first, tag)):
                    raise FileNotFoundError(entry.key)
                first = tag
                to.write(data)

    def _is_another(self, tag: Tag, entry: Entry) -> bool:
        """Whether an object is not that of a list, as far as this is known."""
        listed = entry.identity
        if self._by_number:  # nobody says that Google's lists and answers have the same other tags
            listed.pop("e_tag", None)
        return differ(tag, listed)

    def piece(self, key: str, start: int, end: int, size: int | None = None) -> tuple[bytes, Tag]:
        """Return bytes `start` to `end` of an object, and its tag.

        FileNotFoundError is raised where there is none, or it ends before, or has not the size.
        """
        from obstore.exceptions import BaseError

        def get() -> tuple[bytes, Tag]:
            try:
                found = self._store.get(key, options={"range": (start, end)})
            except BaseError as error:
                if _SHORTER in str(error):
                    raise FileNotFoundError(key) from None
                raise
            if found.meta["size"] < end or size not in (None, found.meta["size"]):
                raise FileNotFoundError(key)
            data = bytes(found.bytes())
            if len(data) != end - start:
                raise ConnectionError("the connection ended too soon")
            return data, tag_of(found.meta)

        return self._tried(f"reading {key}", get, may_lack=True)

    def entry(self, key: str) -> Entry:
        """Return an object as a list has it; raise FileNotFoundError where there is none."""
        return self._tried(
            f"looking at {key}", lambda: entry_of(self._store.head(key)), may_lack=True
        )

    def put(self, key: str, contents: bytes | IO[bytes], over: Tag | None = None) -> Tag:
        """Write an object, also where there is one, and return its tag.

        Bytes are written only over what is there: a request that arrives late, after others wrote,
        changes nothing.

        Args:
            contents: bytes, or a file that is too large for one request.
            over: what is there, as far as is known.
        """
        if not isinstance(contents, bytes):
            return self._put_large(key, contents)
        if over and self._by_number and "version" not in over:  # which Google's lists leave out
            found = self._there(key)
            over = found if same(found, over) else {"version": "0", **over}  # another by now
        for _ in range(_TRIES):
            done = self.replace(key, contents, over) if over else self.create(key, contents)
            if done is not None:
                return done
            self._is_sure()
            over = self._there(key)
        raise StorageError(f"{self.name}: others write {key} all the time; end them")

    def _there(self, key: str) -> Tag | None:
        try:
            return self.entry(key).identity
        except FileNotFoundError:
            return None

    def _put_large(self, key: str, file: IO[bytes]) -> Tag:
        def pieces() -> Iterator[bytes]:
            file.seek(0)
            while data := file.read(_PIECE):
                self._check()  # parts know no conditions, and all of them may take long
                yield data

        def put() -> Tag:
            return tag_of(self._large.put(key, pieces(), max_concurrency=_PARTS_AT_ONCE))

        with self._one_large:  # many at once on a slow line would all take too long
            return self._tried(f"writing {key}", put)

    def create(self, key: str, contents: bytes) -> Tag | None:
        """Write an object where there is none; return None where there is one."""
        return self._conditionally(key, contents, "create")

    def replace(self, key: str, contents: bytes, tag: Tag) -> Tag | None:
        """Write an object where there is that of the tag; return None where that is not so."""
        return self._conditionally(key, contents, tag)

    def _conditionally(self, key: str, contents: bytes, mode: Any) -> Tag | None:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> Tag | None:
            try:
                return tag_of(self._store.put(key, contents, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError:
                if mode == "create":  # what is not found is the bucket
                    raise
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
        """Return all objects in a folder, '' for all."""

        def get() -> list[Entry]:
            parts = self._store.list(f"{prefix}/" if prefix else None)
            return [entry_of(each) for part in parts for each in part]

        return self._tried(f"listing {prefix or 'it'}", get)

    def folders(self) -> list[str]:
        """Return the first names of all keys that have more than one."""

        def get() -> list[str]:
            found = self._store.list_with_delimiter()["common_prefixes"]
            return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

        return self._tried("listing it", get)

    def delete(self, key: str) -> None:
        """Remove an object, unless there is none."""
        with suppress(FileNotFoundError):
            self._tried(f"removing {key}", lambda: self._store.delete(key), may_lack=True)

    def _tried(self, what: str, call: Callable[[], T], *, may_lack: bool = False) -> T:
        return tried(call, Request(self.name, what, may_lack), self._patience, self._check)
