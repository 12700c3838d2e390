"""What a file may cost: memory and time in proportion to its size, whoever made it.

A few bytes of a compressed file can stand for gigabytes, and the number in a header for anything.
So what something unpacks to is compared with what it was packed in before it is unpacked. The most
that a set in common use needs is 190 bytes of a byte (dSprites, black and white shapes).
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rtickets.errors import InputError

_FREE = 1 << 26  # bytes that any file may unpack to
_RATIO = 250  # bytes that one byte of a file may unpack to


def most_unpacked(packed: int) -> int:
    """Return the number of bytes that a file of `packed` bytes may unpack to."""
    return max(_FREE, _RATIO * packed)


def check_unpacked(unpacked: int, packed: int, name: object) -> None:
    """Refuse what is packed too well to be honest: bytes unpacked against bytes as it is.

    `name` is what the error calls it.
    """
    if unpacked > most_unpacked(packed):
        raise InputError(
            f"{name}: has {packed:,} bytes and would unpack to {unpacked:,}; expected at most "
            f"{_RATIO} times its size, so it is broken or made to fill the memory"
        )


def check_zip(path: Path) -> None:
    """Check what the members of a zip archive, such as an .npz file, would unpack to.

    Raises:
        Exception: whatever a damaged archive makes the reader trip over.
    """
    packed = size_of(path)
    with zipfile.ZipFile(path) as archive:
        check_unpacked(sum(member.file_size for member in archive.infolist()), packed, path)


def size_of(path: Path) -> int:
    """Return the size of a file; refuse folders, devices and pipes, whose reading may never end."""
    try:
        if path.is_file():
            return path.stat().st_size
        path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    raise InputError(f"{path}: cannot be read: it is a folder, a device or a pipe, not a file")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked if its name ends with .gz; what goes wrong with it names it."""
    size_of(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def gunzip(path: Path) -> io.BytesIO:
    """Unpack a gzip file into memory, unless it unpacks to more than its size deserves."""
    packed = size_of(path)
    with opened(path) as file:
        data = file.read(most_unpacked(packed) + 1)  # one byte more tells that there is more
    check_unpacked(len(data), packed, path)
    return io.BytesIO(data)
