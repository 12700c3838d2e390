"""A working directory in a bucket: this process's copies of it, and what of them is written back.

Everything works on files in a scratch folder, as on a disk. Whatever becomes durable on a disk, by
a rename or a sync, is put into the bucket before the work goes on, in the same order; a run folder
is got from there when it is claimed, and nothing of it is written once the claim is lost.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InUseError
from rtickets.storage import copies
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Entry, Objects, StorageError

_AT_ONCE = 8  # requests
_SMALL = 2**20  # bytes of a file that is sent at once
_LINES = ".jsonl"  # files that only grow

Stat = tuple[int, int, int]


class _Copy(NamedTuple):
    """A file that is the same here and there: what identifies it here, and there, or ''."""

    stat: Stat
    tag: str


class Mirror:
    """The copies; opened by `rtickets.storage.mirrors`, which finds the one of a path."""

    def __init__(self, objects: Objects, root: Path) -> None:
        """Bind it.

        Args:
            objects: of the bucket.
            root: of the copies, an empty folder.
        """
        self.objects, self.root = objects, root
        self._known: dict[str, _Copy] = {}
        self._leases: dict[str, Lease] = {}
        self._final: set[str] = set()
        self._writing: set[str] = set()  # checkpoints that are there before they have their name
        self._lock = threading.RLock()

    def list_runs(self) -> None:
        """Make an empty folder for every run that is there."""
        for name in self.objects.folders():
            if not copies.is_temporary(name) and not name.startswith("."):
                (self.root / name).mkdir(exist_ok=True)

    def refresh(self, name: str) -> None:
        """Get what there is to look at of a run folder, unless this process works in it."""
        with self._lock:
            if name in self._leases or name in self._final:
                return
            entries = self.objects.entries(name)
            wanted = set(copies.to_look_at(entry.key for entry in entries))
            self._get([entry for entry in entries if entry.key in wanted])
            self._drop(name, wanted)
            if f"{name}/{copies.COMPLETE}" in wanted:
                self._final.add(name)

    def look(self, name: str) -> None:
        """Get what says whether a run is complete."""
        with self._lock:
            if name not in self._leases:
                mark = f"{name}/{copies.COMPLETE}"
                self._get([entry for entry in self.objects.entries(name) if entry.key == mark])

    @contextmanager
    def hold(self, name: str, lease: Lease) -> Iterator[None]:
        """Claim a run folder and get all of it; put back what the block leaves, and let go."""
        lease.acquire()
        try:
            with self._lock:
                self._leases[name] = lease
                self._final.discard(name)
                entries = self.objects.entries(name)
                wanted = set(copies.whole(entry.key for entry in entries))
                self._get([entry for entry in entries if entry.key in wanted])
                self._drop(name, wanted)
                # What a killed process was writing is removed with the first write.
                half = [entry for entry in entries if entry.key not in wanted]
                self._known |= {entry.key: _Copy((0, 0, 0), entry.tag) for entry in half}
            yield
        except StorageError:
            raise  # it would only fail once more
        except BaseException:
            with suppress(StorageError, InUseError):  # there is another error to tell
                self.push(name)
            raise
        else:
            self.push(name)
        finally:
            with self._lock:
                del self._leases[name]
            with suppress(StorageError):  # then its time ends it
                lease.release(forever=(self.root / name / copies.COMPLETE).is_file())

    def held(self) -> dict[str, Lease]:
        """Return the claims of this process, by run folder."""
        return dict(self._leases)

    def wrote(self, key: str) -> None:
        """Put a file into the bucket; of a folder that is claimed, everything that changed."""
        if copies.is_temporary(key):
            return
        name = key.split("/")[0]
        if name in self._leases:
            self.push(name)
        elif (self.root / key).is_dir():
            self.push(key)
        else:
            self._put(self._objects_of(name), key)

    def removed(self, key: str) -> None:
        """Remove from the bucket a file, or a folder, that was removed here."""
        name = key.split("/")[0]
        with self._lock:
            if key == f"{name}/{copies.COMPLETE}":
                self._final.discard(name)
            objects = self._objects_of(name)
            for keys in reversed(_by_rank([key, *self._in(key)])):
                _all([partial(self._delete, objects, one) for one in keys])

    def create_empty(self, key: str) -> bool:
        """Make an empty object unless there is one, and return whether there was none."""
        return self.objects.create(key, b"") is not None

    def sealed(self, written: Path, key: str) -> None:
        """Put a checkpoint into the bucket that is whole, and about to get its name here.

        Args:
            written: where it lies here.
            key: of the folder that it is to be.
        """
        with self._lock:
            self._writing.add(key)
        objects = self._objects_of(key.split("/")[0])
        files = {f"{key}/{path.relative_to(written).as_posix()}": path for path in _files(written)}
        for keys in _by_rank(files):
            _all([partial(self._put, objects, one, files[one]) for one in keys])

    def push(self, name: str) -> None:
        """Make the bucket's folder what it is here: first what is gone, then what is new."""
        with self._lock:
            objects = self._objects_of(name)
            here = {self._key(path): path for path in _files(self.root / name)}
            here = {key: path for key, path in here.items() if not copies.is_temporary(key)}
            self._writing -= {key for key in self._writing if (self.root / key).is_dir()}
            gone = [key for key in self._in(name) if key not in here and not self._is_writing(key)]
            for keys in reversed(_by_rank(gone)):
                _all([partial(self._delete, objects, key) for key in keys])
            changed = [key for key, path in here.items() if self._is_changed(key, path)]
            for keys in _by_rank(changed):
                _all([partial(self._put, objects, key) for key in keys])

    def push_lines(self, name: str, objects: Objects) -> None:
        """Put files of lines into the bucket that grew, unless something else is being written."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for path in _files(self.root / name):
                key = self._key(path)
                if key.endswith(_LINES) and name in self._leases and self._is_changed(key, path):
                    self._put(objects, key)
        finally:
            self._lock.release()

    def get_all(self, wanted: Iterable[Entry]) -> None:
        """Get objects, whatever they are."""
        with self._lock:
            self._get(wanted)

    def _objects_of(self, name: str) -> Objects:
        lease = self._leases.get(name)
        return self.objects if lease is None else self.objects.fenced(lease.check)

    def _get(self, entries: Iterable[Entry]) -> None:
        _all([partial(self._get_one, entry) for entry in entries])

    def _get_one(self, entry: Entry) -> None:
        path, known = self.root / entry.key, self._known.get(entry.key)
        if known is not None and known.tag == entry.tag and known.stat == _stat(path):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partly = path.with_name(f".{path.name}.0")
        try:
            if entry.size:
                self.objects.download(entry.key, partly)
            else:
                partly.touch()
        except FileNotFoundError:  # removed meanwhile
            return
        os.utime(partly, (entry.changed, entry.changed))
        partly.replace(path)
        stat = _stat(path)
        assert stat is not None
        self._known[entry.key] = _Copy(stat, entry.tag)

    def _drop(self, name: str, wanted: set[str]) -> None:
        """Remove copies of what is no longer there."""
        for key in self._in(name):
            if key not in wanted:
                (self.root / key).unlink(missing_ok=True)
                del self._known[key]

    def _put(self, objects: Objects, key: str, file: Path | None = None) -> None:
        path = file or self.root / key
        stat = _stat(path)  # before it is read: what changes meanwhile is put again
        if stat is None:
            return
        try:
            objects.put(key, path.read_bytes() if stat[1] < _SMALL else path)
        except FileNotFoundError:  # removed here meanwhile
            return
        self._known[key] = _Copy(stat, "")

    def _delete(self, objects: Objects, key: str) -> None:
        objects.delete([key])
        self._known.pop(key, None)

    def _is_changed(self, key: str, path: Path) -> bool:
        known = self._known.get(key)
        return known is None or known.stat != _stat(path)

    def _is_writing(self, key: str) -> bool:
        return any(key.startswith(f"{folder}/") for folder in self._writing)

    def _in(self, name: str) -> list[str]:
        return [key for key in list(self._known) if key.startswith(f"{name}/")]

    def _key(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _by_rank(keys: Iterable[str]) -> list[list[str]]:
    return [list(group) for _, group in groupby(sorted(keys, key=copies.rank), copies.rank)]


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for at, folders, names in os.walk(folder):  # follows no link
        folders[:] = [one for one in folders if not copies.is_temporary(one)]
        found += [Path(at, name) for name in names]
    return sorted(path for path in found if not path.is_symlink())


def _stat(path: Path) -> Stat | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _all(calls: list[Any]) -> None:
    """Make calls, several at once, and raise what the first raises that fails."""
    if len(calls) < 2:
        for call in calls:
            call()
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
