"""One process at a time in a folder.

The lock is `flock` on a file: the system frees it when its process ends, however that ends, so it
cannot be stale. Over NFS it holds between hosts (Linux hands it to the server), unless the file
system is mounted with `nolock` or `local_lock`; where there are no locks at all, a line says so.
A folder that is a copy of one in a bucket is claimed there as well, see `rtickets.storage.leases`.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtickets.errors import InputError, InUseError
from rtickets.platform import console
from rtickets.storage import guarded, workdirs
from rtickets.storage.run_files import LOCK

FILE = LOCK
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs; no two processes or threads can.

    Raises:
        InUseError: if another process holds it.
        StorageError: if it lies in a bucket that cannot be had.
        InputError: if a link or anything else than a file lies in the place of the lock.
        PermissionError: in a folder where this user may not write.
    """
    file = folder / FILE
    descriptor = _acquire(file)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        with workdirs.held(folder):
            yield
    finally:
        with suppress(PermissionError):  # another user's file in a sticky folder
            # Before it is let go of: whoever gets this lock next sees that the file is gone.
            file.unlink(missing_ok=True)
        os.close(descriptor)


def remove_left(folder: Path) -> None:
    """Remove the lock that a process left which was killed after the last thing it did here."""
    if (folder / FILE).exists():
        with suppress(InputError, OSError), locked(folder):
            pass


def _acquire(file: Path) -> int:
    while True:
        try:
            descriptor, ours = guarded.open_own(file, os.O_RDWR), True
        except PermissionError:  # another user's, who lets us do no more than look
            descriptor, ours = guarded.open_own(file, os.O_RDONLY), False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(file, descriptor):
                if ours:
                    return descriptor
                file.unlink()  # its holder is gone, and its mode lets nobody else hold it
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise InUseError(
                f"{file.parent} is in use by {holder}; wait for it to end, or end it", file.parent
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS or not ours:
                os.close(descriptor)
                raise
            console.say(f"{file.parent} cannot be locked ({error}); see that no other process runs")
            return descriptor
        os.close(descriptor)


def _is_still(file: Path, descriptor: int) -> bool:
    """Whether a locked file is the one under its name: its last holder may have removed it."""
    try:
        return os.path.samestat(file.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
