"""A working directory in a bucket: this process's copies of it, and what of them is written back.

Everything works on files in a scratch folder, as on a disk. Whatever becomes durable on a disk, by
a rename or a sync, is put into the bucket before the work goes on, in the same order; a run folder
is got from there when it is claimed, and nothing of it is written once the claim is lost.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtickets.errors import InputError, InUseError, StorageError
from rtickets.storage import run_files
from rtickets.storage.copier import Copier
from rtickets.storage.entries import Entry, same
from rtickets.storage.known import Known, files_in
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects

_LINES = ".jsonl"  # files that only grow
_LOOKS = 3  # to find a folder that others write as it was at one time


class Mirror:
    """The copies; opened by `rtickets.storage.workdirs`, which finds the one of a path."""

    def __init__(self, objects: Objects, root: Path) -> None:
        """Bind it.

        Args:
            objects: of the bucket.
            root: of the copies, an empty folder.
        """
        self.objects, self.root = objects, root
        self._known = Known(root)
        self._copier = Copier(self._known)
        self._leases: dict[str, Lease] = {}
        self._final: set[str] = set()
        self._asked: set[str] = set()  # folders in runs that are looked at, too
        self._writing: set[str] = set()  # checkpoints that are there before they have their name
        self._lock = threading.RLock()

    def entries(self, name: str) -> list[Entry]:
        """Return the files of a folder that are there, '' for all."""
        return run_files.files_among(self.objects.entries(name), name)

    def list_runs(self) -> None:
        """Make an empty folder for every run that is there."""
        for name in self.objects.folders():
            if run_files.can_be_a_run(name) and not run_files.is_temporary(name):
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
            for _ in range(_LOOKS):
                entries = self.entries(name)
                wanted = set(run_files.to_look_at((entry.key for entry in entries), self._asked))
                is_whole = self.get_all(entry for entry in entries if entry.key in wanted)
                for gone in self._known.within(name) - wanted:
                    self._known.forget(gone)
                if is_whole:
                    break
            if f"{name}/{run_files.COMPLETE}" in wanted and is_whole:
                self._final.add(name)

    def look(self, key: str) -> None:
        """Get what says whether the run that something lies in is complete."""
        name = key.split("/")[0]
        with self._lock:
            if name not in self._leases:
                mark = f"{name}/{run_files.COMPLETE}"
                self.get_all(entry for entry in self.entries(name) if entry.key == mark)

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
            with suppress(StorageError, InUseError):  # then its time ends it
                lease.release(forever=(self.root / name / run_files.COMPLETE).is_file())

    def _take(self, name: str) -> None:
        """Make a folder here what it is in the bucket, but for checkpoints that lack their seal."""
        self._final.discard(name)
        entries = self.entries(name)
        wanted = set(run_files.whole(entry.key for entry in entries))
        listed = [entry for entry in entries if entry.key in wanted]
        self._copier.get(self.objects, listed, all_of_it=True)
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
        if run_files.is_temporary(key):
            return
        name = key.split("/")[0]
        if name in self._leases:
            self.push(name)
            return
        try:
            if (self.root / key).is_dir():
                self.push(key)
            else:
                self._copier.put(self.objects, [key])
        except BaseException:
            with self._lock:
                self._known.undo(key)
            raise

    def saved(self, key: str, lease: Lease, check: Callable[[], None] = lambda: None) -> None:
        """Put a folder into the bucket that no run has; of several who do that, one can.

        Args:
            key: of the folder.
            lease: its claim, which is made and ended here.
            check: called before that; may refuse the bucket.

        Raises:
            InUseError: while another process puts it there.
            InputError: where one did since this process looked at it.
        """
        try:
            check()
            lease.acquire()
            with self._lock:
                self._leases[key] = lease
                there = {entry.key: entry.identity for entry in self.entries(key)}
                for one in self._known.files(key):
                    known = self._known.tag(one)
                    if not (same(there.get(one), known) or (one not in there and known is None)):
                        raise InputError(
                            f"{self.root / key} exists: another process wrote it a moment ago; "
                            "choose another folder"
                        )
                self._push(key, may_lack_lock=True)
        finally:
            with self._lock:
                self._known.undo(key)
                self._leases.pop(key, None)
            with suppress(StorageError, InUseError):
                lease.release(forever=True)

    def is_held(self, key: str) -> bool:
        """Whether this process has claimed the run that something lies in."""
        return key.split("/")[0] in self._leases

    def removed(self, key: str) -> None:
        """Remove from the bucket a file, or a folder, that was removed here."""
        name = key.split("/")[0]
        with self._lock:
            if key == f"{name}/{run_files.COMPLETE}":
                self._final.discard(name)
            objects = self._objects_of(name)
            self._copier.delete(objects, [key, *self._known.within(key)])

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
        self._copier.put_from(objects, files)

    def push(self, name: str) -> None:
        """Make the bucket's folder what it is here: first what is gone, then what is new.

        Raises:
            StorageError: where the copies themselves are gone, or the bucket cannot be had.
        """
        with self._lock:
            self._push(name, may_lack_lock=name not in self._leases)

    def _push(self, name: str, *, may_lack_lock: bool) -> None:
        objects = self._objects_of(name)
        # Before the look at what is here: Orbax gives a checkpoint its name at any moment.
        self._writing -= {key for key in self._writing if (self.root / key).is_dir()}
        here, there = self._known.files(name), self._known.within(name)
        self._check_here(self.root / name, may_lack_lock)
        gone = [key for key in there - here.keys() if not self._is_writing(key)]
        changed = [key for key in here if self._known.is_changed(key)]
        self._copier.delete(objects, [*gone, *there.intersection(run_files.outdated(changed))])
        self._copier.put(objects, changed)

    def _check_here(self, folder: Path, may_lack_lock: bool) -> None:
        """Raise StorageError where somebody removed the copies: to the bucket they are not gone."""
        if not folder.is_dir() or not (may_lack_lock or (folder / run_files.LOCK).is_file()):
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
                        self._copier.put(fenced, [key])
        finally:
            self._lock.release()

    def get_all(self, wanted: Iterable[Entry]) -> bool:
        """Get objects, whatever they are; see `Copier.get`."""
        with self._lock:
            return self._copier.get(self.objects, wanted)

    def _objects_of(self, name: str) -> Objects:
        lease = self._leases.get(name)
        return self.objects if lease is None else self.objects.fenced(lease.check, lease.confirm)

    def _is_writing(self, key: str) -> bool:
        return any(key.startswith(f"{folder}/") for folder in self._writing)
