"""Folders of this user: the home, and those for what runs when it is read: programs, jobs to start.

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

    Returns:
        $XDG_CACHE_HOME/rtickets/NAME, by default ~/.cache/rtickets/NAME, or the same of the state.

    Raises:
        InputError: if the folder belongs to another user, or others may write to it or rename it.
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
    for part in folder.parent.parents:  # where anybody could put another folder in this one's place
        mode = part.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise InputError(f"{part} can be written to by others: chmod o-w {part}")
    return folder


def _base(kind: Literal["cache", "state"]) -> Path:
    variable, below_home = _BASES[kind]
    named = Path(os.environ.get(variable) or "")
    if named.is_absolute():  # others are to be ignored
        return named
    return home(f"set {variable}") / below_home


def home(instead: str) -> Path:
    """Return the user's home folder, which accounts made for a container lack.

    Args:
        instead: what the error says to do.

    Raises:
        InputError: if there is none.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise InputError(f"this user has no home folder ({error}); {instead}") from None


def expanded(path: str) -> Path:
    """Return a path in which a first ~ or ~USER is a home folder: shells leave it in --option=~/x.

    Raises:
        InputError: if there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path!r}: {error} Give the whole path, or ./~") from None
