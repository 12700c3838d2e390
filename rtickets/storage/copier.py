"""Copies of objects, moved several at once: got from a bucket, put there, and removed there."""

import errno
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rtickets.errors import RefusedError, StorageError
from rtickets.storage import run_files
from rtickets.storage.entries import Entry
from rtickets.storage.known import Known, stat_of
from rtickets.storage.objects import Objects

_AT_ONCE = 8  # requests
_SMALL = 2**20  # bytes of a file that is sent at once
_NO_FILE = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


class Copier:
    """Moves files between a folder and a bucket, and notes which are the same in both."""

    def __init__(self, known: Known) -> None:
        """Bind it to the folder of what is noted."""
        self._known, self._root = known, known.root

    def get(self, objects: Objects, entries: Iterable[Entry], *, all_of_it: bool = False) -> bool:
        """Get objects that are not here, and return whether all were what the list had.

        Args:
            objects: of the bucket.
            entries: as a list has them.
            all_of_it: raise StorageError where one that has contents is not; else there is no copy.

        Raises:
            RefusedError: for names that no file can have.
        """
        return all(_all([partial(self._get, objects, entry, all_of_it) for entry in entries]))

    def _get(self, objects: Objects, entry: Entry, must: bool) -> bool:
        if self._known.is_current(entry):
            return True
        path = self._root / entry.key
        partly = path.with_name(f".{path.name[:200]}.0")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.size or run_files.needs_no_look(entry.key):
                objects.download(entry, partly)
            else:  # a list has a file and the object that a console makes for a folder alike
                partly.write_bytes(objects.read(entry.key)[0])
            os.utime(partly, (entry.changed, entry.changed))
            partly.replace(path)
        except FileNotFoundError:
            partly.unlink(missing_ok=True)
            if must and entry.size:
                raise StorageError(
                    f"{objects.name}: {entry.key} is in the list and cannot be read; give the "
                    "same command again, and if that does not help, remove the object"
                ) from None
            self._known.forget(entry.key)  # removed or written anew meanwhile
            return not entry.size
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise RefusedError(
                f"{objects.name}: {entry.key:.300} can be no file here ({error.strerror}); "
                "rename it"
            ) from None
        self._known.note(entry.key, stat_of(path), entry.identity)
        return True

    def put(self, objects: Objects, keys: Iterable[str]) -> None:
        """Put files into the bucket, in the order of their ranks."""
        self.put_from(objects, {key: self._root / key for key in keys})

    def put_from(self, objects: Objects, files: Mapping[str, Path]) -> None:
        """Put files that lie here under other names; see `put`."""
        for keys in run_files.by_rank(files):
            _all([partial(self._put, objects, key, files[key]) for key in keys])

    def _put(self, objects: Objects, key: str, path: Path) -> None:
        stat = stat_of(path)  # before it is read: what changes meanwhile is put again
        try:
            opened = path.open("rb")
        except FileNotFoundError:  # removed here meanwhile
            return
        with opened:
            contents = opened if stat and stat[1] >= _SMALL else opened.read()
            tag = objects.put(key, contents, self._known.tag(key))
        self._known.note(key, stat, tag)

    def delete(self, objects: Objects, keys: Iterable[str]) -> None:
        """Remove objects, in the reverse of the order in which they are put."""
        for some in reversed(run_files.by_rank(keys)):
            _all([partial(self._delete, objects, key) for key in some])

    def _delete(self, objects: Objects, key: str) -> None:
        objects.delete(key)
        self._known.removed_there(key)


def _all(calls: list[Any]) -> list[Any]:
    """Make calls, several at once; return what they return, or raise what the first raises."""
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]
