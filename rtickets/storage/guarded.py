"""Files and folders where others write, too: nothing is followed, waited for or taken on trust.

A name in a folder that a group shares may be a link to a file of the user's own, or a pipe that
nobody writes to. What is written and removed here is never behind a link, and what is opened is a
regular file: every function that opens one raises `InputError` for anything else, by its name, and
`FileNotFoundError` where there is nothing to read.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO

from rtickets.errors import InputError

MOST = 2**28  # bytes of a small file, such as a result; a larger one is no file of ours
_PLAIN = re.compile(r"[A-Za-z0-9_/. +=,-]*")
_STORAGE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE,
)  # fmt: skip
_SAFE = os.O_CLOEXEC | os.O_NONBLOCK  # a pipe without a writer would be waited for


def read_bytes(path: Path, most: int = MOST) -> bytes:
    """Return the bytes of a regular file or of one that a link leads to; refuse over `most`."""
    with open_to_read(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise InputError(f"{path} has more than {most:,} bytes; it is no file of rtickets")
        return file.read(most)


def read_text_of_ours(path: Path, most: int = 20_000) -> str:
    """Return the beginning of a text that is shown as it is, in reports, say.

    No link is followed: it could lead to a file that only this user may read.
    """
    with open_to_read(path, follow=False) as file:
        return file.read(most).decode(errors="replace")


def open_to_read(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a regular file for reading, or the one that a link leads to if links are followed."""
    safe = _SAFE if follow else _SAFE | os.O_NOFOLLOW

    def opener(_: str, flags: int) -> int:
        try:
            return _checked(path, os.open(path, flags | safe))
        except OSError as error:
            raise _link_or(error, path) from None

    return open(path, "rb", opener=opener)


def open_to_append(path: Path) -> IO[bytes]:
    """Open a regular file that is no link for writing at its end; make it where there is none."""
    return open(path, "ab", opener=lambda _, flags: open_own(path, flags & ~os.O_CREAT))


def open_own(path: Path, flags: int) -> int:
    """Open a regular file that is no link, and make it where there is none, as the umask says.

    Returns:
        The descriptor, of a file opened with the flags of `os.open` that are given.
    """
    flags |= os.O_NOFOLLOW | _SAFE
    while True:
        # Linux lets nobody open a colleague's file in a sticky folder with O_CREAT.
        for attempt in (flags, flags | os.O_CREAT | os.O_EXCL):
            try:
                return _checked(path, os.open(path, attempt, 0o666))
            except (FileNotFoundError, FileExistsError):
                continue
            except OSError as error:
                if error.errno in (errno.ENXIO, errno.EISDIR):
                    raise _no_file(path) from None
                raise _link_or(error, path) from None
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _checked(path: Path, descriptor: int) -> int:
    # Of the open file: another could lie under the name by the time it is opened.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _no_file(path)


def _link_or(error: OSError, path: Path) -> InputError | OSError:
    """Return what to raise of a file that cannot be opened."""
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return InputError(f"{path} is a symbolic link; remove it")
    return error


def _no_file(path: Path) -> InputError:
    return InputError(f"{path} is no regular file (a folder, a pipe or a device); remove it")


def own_folder(path: Path) -> Path:
    """Make a folder, unless it is there."""
    check_no_link(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def check_no_link(path: Path) -> None:
    """Raise InputError for a symbolic link, behind which nothing is written or removed."""
    if path.is_symlink():
        raise InputError(
            f"{path} is a symbolic link, and nothing is written or removed behind one; put the "
            "folder itself there, or give the --workdir that it lies in"
        )


@contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Find an absolute path of a folder that means nothing but itself to other libraries.

    Orbax, TensorStore and the profiler look for files by patterns and name them by URLs, to which
    brackets, backslashes, line breaks and other signs are more than parts of a name, and take text
    alone. Where a path has any of these, the folder is opened and goes by its descriptor's number.

    Yields:
        A path, good while the block runs.

    Raises:
        InputError: where the system has no such path.
    """
    folder = folder.resolve()
    if _PLAIN.fullmatch(str(folder)):
        yield folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = Path(f"/proc/self/fd/{descriptor}")
        if not path.is_dir():
            raise InputError(
                f"{folder}: cannot be used under this path; choose another --workdir, "
                "of letters, digits and -_. alone"
            )
        yield path
    finally:
        os.close(descriptor)


@contextmanager
def as_os_error(place: Path) -> Iterator[None]:
    """Raise what a library says of the system in words of its own as the error that it is.

    Args:
        place: what the block writes, for the message.
    """
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())
        codes = [code for code in _STORAGE if os.strerror(code) in text]
        if isinstance(error, OSError) or not codes:
            raise
        raise OSError(codes[0], f"{os.strerror(codes[0])}: {place}") from error


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it; of a link, the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def removed_if_refused(made: Sequence[Path], first: Collection[str]) -> Iterator[None]:
    """Remove folders that were made for nothing: the block refuses its input.

    Args:
        made: folders that were not there before, the innermost first.
        first: names of the files that the innermost may hold; nothing is removed if it has others.
    """
    try:
        yield
    except InputError:
        with suppress(OSError):  # another process is at work there
            if made and {path.name for path in made[0].iterdir()} <= {*first}:
                for path in made[0].iterdir():
                    path.unlink()
                for folder in made:
                    folder.rmdir()
        raise
