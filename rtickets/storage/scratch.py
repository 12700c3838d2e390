"""Scratch folders: where a process keeps its copies of what lies in a bucket while it works.

SCRATCH/<random>/.alive   locked for as long as the process lives, with the start of the machine it
runs on; outlives it for a day, so that others on this machine see that it is gone
SCRATCH/<random>/files/   the copies; those of a process that is gone are removed by the next

A home may be shared by machines on which a lock means nothing to the others. So nobody believes the
lock of another machine: what one left is removed when it was not touched for days.
"""

import fcntl
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from rtickets.errors import InputError
from rtickets.platform.private import private_folder

_NAME, _ALIVE, _FILES = "scratch", ".alive", "files"
_TOKEN = re.compile(r"[0-9a-f]{24}")
_DAY = 86_400.0
_DAYS = 7
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Scratch:
    """The scratch folder of this process; made by `open_scratch`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and lock it."""
        folder.mkdir(mode=0o700)
        self.folder, self.token = folder, folder.name
        self._descriptor = os.open(folder / _ALIVE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # a file system without locks: claims end by their time
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._descriptor, _said_by(self.token))

    def place(self, name: str) -> Path:
        """Return a new folder for copies."""
        path = self.folder / _FILES / name
        path.mkdir(parents=True, mode=0o700)
        return path

    def touch(self) -> None:
        """Show machines that cannot see the lock that the process lives."""
        with suppress(OSError):
            os.utime(self._descriptor)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self._descriptor)


def open_scratch() -> Scratch:
    """Return a scratch folder for this process, and remove those of processes that are gone."""
    base = private_folder("cache", _NAME)
    for folder in base.iterdir():
        with suppress(OSError):
            _clear(folder)
    return Scratch(base / secrets.token_hex(12))


def _clear(folder: Path) -> None:
    days = (time.time() - (folder / _ALIVE).stat().st_mtime) / _DAY
    if days > _DAYS or (days > 1 and is_gone(folder.name)):
        shutil.rmtree(folder, ignore_errors=True)
    elif is_gone(folder.name):
        shutil.rmtree(folder / _FILES, ignore_errors=True)


def _said_by(token: str) -> bytes:
    """Return what a process on this machine writes into its lock."""
    try:
        start = _BOOT.read_text().strip()
    except OSError:  # not Linux
        start = socket.gethostname()
    return f"{token} {start}".encode()


def is_gone(token: str) -> bool:
    """Whether the process of a scratch folder of this user has ended.

    False where that is not known, as of one of another machine.
    """
    if not _TOKEN.fullmatch(token):
        return False
    try:
        folder = private_folder("cache", _NAME) / token
        descriptor = os.open(folder / _ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, InputError):
        return False
    try:
        if os.read(descriptor, 500) != _said_by(token):  # not there yet, or another machine's
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
