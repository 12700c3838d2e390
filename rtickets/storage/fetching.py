"""Fetching what lies under an address in a bucket into a folder, in pieces, several at once."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from rtickets.errors import InputError, StorageError
from rtickets.platform import preemption
from rtickets.storage.addresses import Address, connect
from rtickets.storage.entries import Entry, Tag
from rtickets.storage.objects import Objects
from rtickets.storage.tries import PATIENCE

FILES, ARRIVING = "files", "arriving"
_AT_ONCE = 16  # requests
_PIECE = 2 * 2**20  # bytes of one, which arrive in its time over slow networks as well
_SECONDS = "25s"
_SECONDS_TO_LOOK = 0.2
_LONGEST_NAME = 255  # bytes, of Linux
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class NothingThereError(InputError):
    """An address under which a bucket has nothing."""


class ChangedMeanwhileError(Exception):
    """An object that became another while it was fetched."""


class Contents(NamedTuple):
    """What lies under an address.

    Attributes:
        objects: of the bucket.
        files: by their paths; the first name is the last one of the address.
    """

    objects: Objects
    files: dict[str, Entry]

    @property
    def listed(self) -> dict[str, list[str | int]]:
        """Sizes and tags of all files, by path."""
        return {path: [one.size, one.tag] for path, one in sorted(self.files.items())}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that tell it from other contents of the address."""
        return hashlib.sha256(json.dumps(self.listed).encode()).hexdigest()[:16]


def list_contents(address: Address) -> Contents:
    """Return what an address stands for: all that lies in it as in a folder, else one object.

    Raises:
        NothingThereError: where there is neither.
        InputError: for keys that are no paths of files.
        StorageError: for a bucket that cannot be had.
    """
    name = address.name or address.bucket
    objects = Objects(connect(address, _SECONDS), str(address), PATIENCE)
    if entries := objects.entries(""):
        return Contents(objects, _files(entries, name, address))
    parent = Objects(connect(address.parent, _SECONDS), str(address), PATIENCE)
    try:
        return Contents(parent, {name: parent.entry(name)})
    except FileNotFoundError:
        raise NothingThereError(f"{address}: there is neither a folder nor an object") from None


def _files(entries: Iterable[Entry], name: str, address: Address) -> dict[str, Entry]:
    """Return the objects of a folder by path, without the empty ones that stand for folders."""
    found = {f"{name}/{entry.key}" if entry.key else name: entry for entry in entries}
    folders = {path[:at] for path in found for at, sign in enumerate(path) if sign == "/"}
    for path in folders & found.keys():
        if found[path].size:
            raise _no_file(address, path, "is an object and a folder")
        del found[path]
    for path in found:
        names = path.split("/")
        if "\0" in path or {"", ".", ".."}.intersection(names):
            raise _no_file(address, path, "would lie elsewhere")
        if any(len(os.fsencode(name)) > _LONGEST_NAME for name in names):
            raise _no_file(address, path, f"has a name of more than {_LONGEST_NAME} bytes")
    return found


def _no_file(address: Address, path: str, why: str) -> InputError:
    return InputError(f"{address}: {path!r:.300} can be no file here: it {why}; rename it")


def fetch(contents: Contents, folder: Path, tell: Callable[[int], None]) -> None:
    """Get all files that a folder lacks; each has its name when it is whole and on the disk.

    Args:
        contents: what there is.
        folder: where `files/` is to have it; `arriving/` beside that has what is not whole.
        tell: is called again and again with the number of bytes that arrived since.

    Raises:
        ChangedMeanwhileError: if an object is another by now, or none.
        StorageError: for a bucket that cannot be had.
        OSError: for a disk that is full.
        Preempted: if the process was asked to stop.
    """
    (folder / ARRIVING).mkdir(exist_ok=True)
    work = _Work(contents, folder)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            done = [pool.submit(work.go) for _ in range(_AT_ONCE)]
            try:
                while wait(done, _SECONDS_TO_LOOK, FIRST_EXCEPTION).not_done and not work.ended:
                    tell(work.arrived())
                    preemption.check()
            finally:
                work.ended = True
        if work.failure is not None:
            raise work.failure
        tell(work.arrived())
    finally:
        work.close()


class _Work:
    """What is left to fetch, which threads share."""

    def __init__(self, contents: Contents, folder: Path) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._objects = contents.objects.fenced(self._check)
        self._lock, self._bytes = threading.Lock(), 0
        self._open: set[_Arriving] = set()
        self._pieces = self._all_pieces(contents, folder)

    def _all_pieces(self, contents: Contents, folder: Path) -> Iterator[tuple["_Arriving", int]]:
        for number, (path, entry) in enumerate(contents.files.items()):
            final = folder / FILES / path
            if not final.exists():
                one = _Arriving(entry, folder / ARRIVING / str(number), final)
                self._open.add(one)
                yield from ((one, start) for start in range(0, max(entry.size, 1), _PIECE))

    def go(self) -> None:
        """Fetch piece after piece until none is left."""
        try:
            while True:
                with self._lock:
                    piece = next(self._pieces, None)
                if piece is None or self.ended:
                    return
                one, start = piece
                count, whole = one.fetch(self._objects, start)
                with self._lock:
                    self._bytes += count
                    if whole:
                        self._open.discard(one)
        except Exception as error:
            with self._lock:
                self.failure = self.failure or error  # those of the others follow from it
            self.ended = True

    def _check(self) -> None:
        if self.ended:
            raise StorageError("another request failed")

    def arrived(self) -> int:
        """Return the bytes that arrived since it was asked last."""
        with self._lock:
            count, self._bytes = self._bytes, 0
        return count

    def close(self) -> None:
        """Close what is not whole."""
        for one in self._open:
            one.close()


class _Arriving:
    """A file whose pieces arrive in any order; opened with the first and named after the last."""

    def __init__(self, entry: Entry, temporary: Path, final: Path) -> None:
        self._entry, self._temporary, self._final = entry, temporary, final
        self._lock, self._left = threading.Lock(), entry.size
        self._descriptor: int | None = None
        self._tag: Tag | None = None

    def fetch(self, objects: Objects, start: int) -> tuple[int, bool]:
        """Get a piece, and return its bytes and whether the file is whole."""
        end = min(start + _PIECE, self._entry.size)
        data, tag = b"", None
        if end:
            try:
                data, tag = objects.piece(self._entry.key, start, end)
            except FileNotFoundError:
                raise ChangedMeanwhileError from None
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self._temporary, _NEW, 0o400)
                self._tag = tag
            if tag != self._tag:
                raise ChangedMeanwhileError
            descriptor = self._descriptor
        _write(descriptor, data, start)
        with self._lock:
            self._left -= len(data)
            whole = self._left == 0
        if whole:
            os.fsync(descriptor)
            self.close()
            self._final.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.replace(self._final)
        return len(data), whole

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write(descriptor: int, data: bytes, start: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, start)
        data, start = data[count:], start + count
