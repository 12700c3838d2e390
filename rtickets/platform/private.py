"""Folders of this user alone, for what runs when it is read: compiled programs, jobs to start.

Such files are code. In a folder that others may write to, anybody could replace them, and what
reads them would do as they say.
"""

import os
import stat
from pathlib import Path
from typing import Literal

from rtickets.errors import InputError

# As the XDG base directory specification has them: what may be deleted, and what may not.
_BASES = {"cache": ("XDG_CACHE_HOME", ".cache"), "state": ("XDG_STATE_HOME", ".local/state")}


def private_folder(kind: Literal["cache", "state"], name: str) -> Path:
    """Return a folder in the user's home that nobody else can write to, made if it is missing.

    Args:
        kind: 'cache' for what can be made anew, 'state' for what cannot.
        name: of the folder.

    Returns:
        $XDG_CACHE_HOME/rtickets/NAME, by default ~/.cache/rtickets/NAME, or the same of the state.

    Raises:
        InputError: if the folder belongs to another user, or others may write to it.
        OSError: if it cannot be made.
    """
    folder = _base(kind) / "rtickets" / name
    for part in reversed([folder, *folder.parents]):
        if not part.is_dir():
            part.mkdir(mode=0o700, exist_ok=True)
    for part in (folder.parent, folder):
        found = part.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise InputError(f"{part} is no folder of this user; remove it")
        if found.st_mode & 0o022:
            raise InputError(f"{part} can be written to by others: chmod go-w {part}")
    return folder


def _base(kind: Literal["cache", "state"]) -> Path:
    variable, below_home = _BASES[kind]
    named = Path(os.environ.get(variable) or "")
    if named.is_absolute():  # others are to be ignored
        return named
    try:
        return Path.home() / below_home
    except RuntimeError as error:
        raise InputError(f"this user has no home folder ({error}); set {variable}") from None
