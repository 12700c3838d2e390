"""Which copies are the same here and in a bucket, as far as this process knows."""

import os
from pathlib import Path
from typing import NamedTuple

from rtickets.storage import run_files
from rtickets.storage.entries import Entry, Tag, same

Stat = tuple[int, int, int]


class _Copy(NamedTuple):
    """A file that is the same here and there: what identifies it here, and there."""

    stat: Stat | None
    tag: Tag


class Known:
    """The copies in a folder: what is not noted here is in one place alone, or differs."""

    def __init__(self, root: Path) -> None:
        """Bind it; nothing is the same yet."""
        self.root = root
        self._copies: dict[str, _Copy] = {}

    def note(self, key: str, stat: Stat | None, tag: Tag) -> None:
        """Note that a file is the same, or with no `stat` that there is one there."""
        self._copies[key] = _Copy(stat, tag)

    def removed_there(self, key: str) -> None:
        """Note that there is no such object any more."""
        self._copies.pop(key, None)

    def tag(self, key: str) -> Tag | None:
        """Return what identifies the object, None where there is none."""
        return self._copies[key].tag if key in self._copies else None

    def within(self, folder: str) -> set[str]:
        """Return the keys of a folder that are there."""
        return {key for key in list(self._copies) if key.startswith(f"{folder}/")}

    def is_current(self, entry: Entry) -> bool:
        """Whether a file is what a list has."""
        found = self._copies.get(entry.key)
        return (
            found is not None
            and same(found.tag, entry.identity)
            and found.stat is not None
            and found.stat == stat_of(self.root / entry.key)
        )

    def is_changed(self, key: str) -> bool:
        """Whether a file is not what the object is."""
        found = self._copies.get(key)
        return found is None or found.stat != stat_of(self.root / key)

    def files(self, folder: str) -> dict[str, Path]:
        """Return the files in a folder by key."""
        found = files_in(self.root / folder)
        return {path.relative_to(self.root).as_posix(): path for path in found}

    def forget(self, key: str) -> None:
        """Remove a copy, and the folders that it leaves empty."""
        path = self.root / key
        path.unlink(missing_ok=True)
        self._copies.pop(key, None)
        for folder in path.parents:
            if folder == self.root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def undo(self, key: str) -> None:
        """Remove what is here and could not be put into the bucket, a file or all of a folder."""
        keys = [key] if (self.root / key).is_file() else list(self.files(key))
        for one in keys:
            if self.is_changed(one):
                self.forget(one)


def files_in(folder: Path) -> list[Path]:
    """Return all files in a folder that are not being written; no link is followed."""
    found: list[Path] = []
    for at, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not run_files.is_temporary(one)]
        found += [Path(at, name) for name in names if not run_files.is_temporary(name)]
    return sorted(path for path in found if not path.is_symlink())


def stat_of(path: Path) -> Stat | None:
    """Return what tells a file from others that lie in its place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
