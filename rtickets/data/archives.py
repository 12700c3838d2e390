"""Getting and unpacking the files that public data sets are distributed as."""

import gzip
import hashlib
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from rtickets._version import __version__
from rtickets.data.limits import most_unpacked, size_of
from rtickets.errors import InputError

_CHUNK = 1 << 20
_BLOCK = 4096  # bytes that a file takes on a disk at least
_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
Say = Callable[[str], None]


def is_archive(path: Path) -> bool:
    """Return whether a file's name is that of an archive; macOS keeps notes on it under ._NAME."""
    return path.name.endswith(_SUFFIXES) and not path.name.startswith("._")


def download(url: str, path: Path, md5: str | None = None, say: Say = lambda text: None) -> None:
    """Download a file, or go on with one that was interrupted; a complete one is left alone.

    Args:
        path: the file; what has arrived so far lies beside it under `.part`.
        md5: its checksum, where the authors or a common library publish one.
        say: is told what happens.

    Raises:
        InputError: if it cannot be had, or its checksum is another.
    """
    if path.is_file():
        return
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    say(f"{path.name}: from {url}" + (f", {have:,} bytes are here" if have else ""))
    headers = {"User-Agent": f"rtickets/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            goes_on = bool(have) and answer.status == 206  # servers may send all of it again
            with part.open("ab" if goes_on else "wb") as file:
                shutil.copyfileobj(answer, file, _CHUNK)
            expected = answer.headers.get("Content-Length")
            received = part.stat().st_size - (have if goes_on else 0)
            if expected is not None and received != int(expected):
                raise OSError(f"{received:,} of {int(expected):,} bytes arrived; run this again")
    except urllib.error.HTTPError as error:
        if error.code != 416:  # there is nothing after what we have: it is complete
            raise _refused(url, path, error) from None
    except OSError as error:
        raise _refused(url, path, error) from None
    try:
        check(part, md5)
    except InputError:
        part.unlink()
        raise
    part.rename(path)


def _refused(url: str, path: Path, error: Exception) -> InputError:
    return InputError(
        f"{url}: cannot be downloaded: {error}; or get {path.name} in another way and give its "
        "folder with --manual"
    )


def check(path: Path, md5: str | None) -> None:
    """Check the checksum of a file, where one is known."""
    if md5 is None:
        return
    found = digest(path, "md5")
    if found != md5:
        raise InputError(f"{path}: has the MD5 checksum {found}, expected {md5}; get it again")


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's checksum as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def unpack(archive: Path, folder: Path, most: int | None = None) -> int:
    """Unpack an archive; members that would lie outside the folder are refused.

    Args:
        archive: .tar, .tar.gz, .tgz or .zip.
        folder: where to, made if it does not exist.
        most: bytes that may come of it; None is in proportion to its size.

    Returns:
        Bytes that came of it, every member rounded up to a block of a disk.
    """
    packed = size_of(archive)
    room = _Room(archive, packed, most_unpacked(packed) if most is None else most)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.endswith(".zip"):
            _unpack_zip(archive, folder, room)
        else:
            _unpack_tar(archive, folder, room)
    except InputError:
        raise
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{archive}: cannot be unpacked: {error}") from None
    return room.taken


class _Room:
    """Counts what an archive unpacks to."""

    def __init__(self, archive: Path, packed: int, most: int) -> None:
        self._archive, self._packed, self._most = archive, packed, most
        self.taken = 0

    def take(self, count: int) -> None:
        """Count some bytes, and refuse what is too many."""
        self.taken += count
        if self.taken > self._most:
            raise InputError(
                f"{self._archive}: has {self._packed:,} bytes and would unpack to more than "
                f"{self._most:,}; it is broken or made to fill the disk"
            )


class _Counted:
    """An archive as a stream that ends with an error where it becomes too long."""

    def __init__(self, file: IO[bytes], room: _Room) -> None:
        self._file, self._room = file, room

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._room.take(len(data))
        return data


def _unpack_zip(archive: Path, folder: Path, room: _Room) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            parts = member.filename.replace("\\", "/").split("/")
            if ".." in parts or parts[0] == "":
                raise InputError(f"{archive}: its member {member.filename!r} would lie outside")
            room.take(member.file_size + _BLOCK)
        packed.extractall(folder)  # which writes no more of a member than its size says


def _unpack_tar(archive: Path, folder: Path, room: _Room) -> None:
    """Unpack member by member: headers can be as long as files, and stand for others' sizes."""
    with archive.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(archive) if gzipped else archive.open("rb") as opened:
        counted = cast(IO[bytes], _Counted(cast(IO[bytes], opened), room))
        with tarfile.open(fileobj=counted, mode="r|") as tar:
            for member in tar:
                room.take(_BLOCK)
                if member.issparse():
                    room.take(member.size)
                tar.extract(member, folder, filter="data")


def unpack_once(archive: Path, folder: Path, say: Say = lambda text: None) -> Path:
    """Unpack an archive unless that is done, and the archives in it.

    Returns:
        The folder of the contents, of the archive's name, which is there whole or not at all.
    """
    target = folder / archive.name
    if target.is_dir():
        return target
    say(f"unpacking {archive.name}")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{archive.name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    most = most_unpacked(size_of(archive))
    most -= unpack(archive, temporary, most)  # one allowance: archives in it could multiply it
    for inner in sorted(path for path in temporary.rglob("*") if is_archive(path)):
        most -= unpack(inner, inner.parent, most)
        inner.unlink()
    temporary.rename(target)
    return target
