"""A working directory in a bucket: this process's copies of it, and what of them is written back.

Everything works on files in a scratch folder, as on a disk. Whatever becomes durable on a disk, by
a rename or a sync, is put into the bucket before the work goes on, in the same order; a run folder
is got from there when it is claimed, and nothing of it is written once the claim is lost.
"""

import errno
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rtickets.errors import InUseError, RefusedError, StorageError
from rtickets.storage import copies
from rtickets.storage.entries import Entry
from rtickets.storage.known import Known, files_in, stat_of
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects

_AT_ONCE = 8  # requests
_SMALL = 2**20  # bytes of a file that is sent at once
_LINES = ".jsonl"  # files that only grow
_NO_FILE = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


class Mirror:
    """The copies; opened by `rtickets.storage.mirrors`, which finds the one of a path."""

    def __init__(self, objects: Objects, root: Path) -> None:
        """Bind it.

        Args:
            objects: of the bucket.
            root: of the copies, an empty folder.
        """
        self.objects, self.root = objects, root
        self._known = Known(root)
        self._leases: dict[str, Lease] = {}
        self._final: set[str] = set()
        self._asked: set[str] = set()  # folders in runs that are looked at, too
        self._writing: set[str] = set()  # checkpoints that are there before they have their name
        self._lock = threading.RLock()

    def entries(self, name: str) -> list[Entry]:
        """Return the files of a folder that are there, '' for all."""
        return copies.files_among(self.objects.entries(name), name)

    def list_runs(self) -> None:
        """Make an empty folder for every run that is there."""
        for name in self.objects.folders():
            if copies.can_be_a_run(name) and not copies.is_temporary(name):
                (self.root / name).mkdir(exist_ok=True)

    def refresh(self, key: str) -> None:
        """Get what there is to look at of a run folder, unless this process works in it.

        Args:
            key: the run's name, or that of something in it, as a ticket, which is got in any case.
        """
        name = key.split("/")[0]
        with self._lock:
            if key != name:
                self._asked.add(key)
            if name in self._leases or name in self._final:
                return
            entries = self.entries(name)
            wanted = set(copies.to_look_at((entry.key for entry in entries), self._asked))
            self._get([entry for entry in entries if entry.key in wanted])
            for gone in self._known.within(name) - wanted:
                self._known.forget(gone)
            if f"{name}/{copies.COMPLETE}" in wanted:
                self._final.add(name)

    def look(self, name: str) -> None:
        """Get what says whether a run is complete."""
        with self._lock:
            if name not in self._leases:
                mark = f"{name}/{copies.COMPLETE}"
                self._get([entry for entry in self.entries(name) if entry.key == mark])

    @contextmanager
    def hold(self, name: str, lease: Lease) -> Iterator[None]:
        """Claim a run folder and get all of it; put back what the block leaves, and let go.

        What could not be put back is removed here, too: nobody is to take it for a result.
        """
        lease.acquire()
        try:
            with self._lock:
                self._leases[name] = lease
                self._take(name)
            try:
                yield
            except StorageError:
                raise  # it would only fail once more
            except BaseException:
                with suppress(StorageError, InUseError):  # there is another error to tell
                    self.push(name)
                raise
            self.push(name)
        finally:
            with self._lock:
                self._known.undo(name)
                del self._leases[name]
            with suppress(StorageError):  # then its time ends it
                lease.release(forever=(self.root / name / copies.COMPLETE).is_file())

    def _take(self, name: str) -> None:
        """Make a folder here what it is in the bucket, but for checkpoints that lack their seal."""
        self._final.discard(name)
        entries = self.entries(name)
        wanted = set(copies.whole(entry.key for entry in entries))
        self._get([entry for entry in entries if entry.key in wanted], all_of_it=True)
        for gone in {*self._known.files(name), *self._known.within(name)} - wanted:
            self._known.forget(gone)
        # What a killed process was writing is removed with the first write.
        for entry in entries:
            if entry.key not in wanted:
                self._known.note(entry.key, None, entry.identity)

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
            return
        try:
            if (self.root / key).is_dir():
                self.push(key)
            else:
                self._put(self.objects, key)
        except BaseException:
            with self._lock:
                self._known.undo(key)
            raise

    def removed(self, key: str) -> None:
        """Remove from the bucket a file, or a folder, that was removed here."""
        name = key.split("/")[0]
        with self._lock:
            if key == f"{name}/{copies.COMPLETE}":
                self._final.discard(name)
            objects = self._objects_of(name)
            self._delete_all(objects, [key, *self._known.within(key)])

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
        files = {
            f"{key}/{path.relative_to(written).as_posix()}": path for path in files_in(written)
        }
        for keys in copies.by_rank(files):
            _all([partial(self._put, objects, one, files[one]) for one in keys])

    def push(self, name: str) -> None:
        """Make the bucket's folder what it is here: first what is gone, then what is new.

        Raises:
            StorageError: where the copies themselves are gone, or the bucket cannot be had.
        """
        with self._lock:
            objects = self._objects_of(name)
            # Before the look at what is here: Orbax gives a checkpoint its name at any moment.
            self._writing -= {key for key in self._writing if (self.root / key).is_dir()}
            here, there = self._known.files(name), self._known.within(name)
            self._check_here(name)
            gone = [key for key in there - here.keys() if not self._is_writing(key)]
            changed = [key for key in here if self._known.is_changed(key)]
            self._delete_all(objects, [*gone, *there.intersection(copies.outdated(changed))])
            for keys in copies.by_rank(changed):
                _all([partial(self._put, objects, key) for key in keys])

    def _check_here(self, name: str) -> None:
        """Raise StorageError where somebody removed the copies: to the bucket they are not gone."""
        folder = self.root / name
        is_locked = (folder / copies.LOCK).is_file()
        if not folder.is_dir() or (name in self._leases and not is_locked):
            raise StorageError(
                f"{folder}: the copy of it in the scratch folder of this process was removed (see "
                "docs/storage.md); the same command goes on from what is in the bucket"
            )

    def push_lines(self, name: str, objects: Objects) -> None:
        """Put files of lines into the bucket that grew, unless something else is being written."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if (lease := self._leases.get(name)) is not None:
                fenced = objects.fenced(lease.check, lease.confirm)
                for key in self._known.files(name):
                    if key.endswith(_LINES) and self._known.is_changed(key):
                        self._put(fenced, key)
        finally:
            self._lock.release()

    def get_all(self, wanted: Iterable[Entry]) -> None:
        """Get objects, whatever they are."""
        with self._lock:
            self._get(wanted)

    def _objects_of(self, name: str) -> Objects:
        lease = self._leases.get(name)
        return self.objects if lease is None else self.objects.fenced(lease.check, lease.confirm)

    def _get(self, entries: Iterable[Entry], *, all_of_it: bool = False) -> None:
        _all([partial(self._get_one, entry, all_of_it) for entry in entries])

    def _get_one(self, entry: Entry, must: bool) -> None:
        if self._known.is_current(entry):
            return
        path = self.root / entry.key
        partly = path.with_name(f".{path.name[:200]}.0")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.size or copies.needs_no_look(entry.key):
                self.objects.download(entry, partly)
            else:  # a list has a file and the object that a console makes for a folder alike
                partly.write_bytes(self.objects.read(entry.key)[0])
            os.utime(partly, (entry.changed, entry.changed))
            partly.replace(path)
        except FileNotFoundError:
            partly.unlink(missing_ok=True)
            if must and entry.size:
                raise StorageError(
                    f"{self.objects.name}: {entry.key} is in the list and cannot be read; give the "
                    "same command again, and if that does not help, remove the object"
                ) from None
            return  # removed or written anew meanwhile
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise RefusedError(
                f"{self.objects.name}: {entry.key:.300} can be no file here ({error.strerror}); "
                "rename it"
            ) from None
        self._known.note(entry.key, stat_of(path), entry.identity)

    def _put(self, objects: Objects, key: str, file: Path | None = None) -> None:
        path = file or self.root / key
        stat = stat_of(path)  # before it is read: what changes meanwhile is put again
        try:
            opened = path.open("rb")
        except FileNotFoundError:  # removed here meanwhile
            return
        with opened:
            contents = opened if stat and stat[1] >= _SMALL else opened.read()
            tag = objects.put(key, contents, self._known.tag(key))
        self._known.note(key, stat, tag)

    def _delete_all(self, objects: Objects, keys: Iterable[str]) -> None:
        for some in reversed(copies.by_rank(keys)):
            _all([partial(self._delete, objects, key) for key in some])

    def _delete(self, objects: Objects, key: str) -> None:
        objects.delete(key)
        self._known.removed_there(key)

    def _is_writing(self, key: str) -> bool:
        return any(key.startswith(f"{folder}/") for folder in self._writing)


def _all(calls: list[Any]) -> None:
    """Make calls, several at once, and raise what the first raises that fails."""
    if len(calls) < 2:
        for call in calls:
            call()
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
