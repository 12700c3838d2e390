"""What is read from a bucket as if it lay on the disk: data, vocabularies, checkpoints of others.

It is fetched once into a cache of this user and stays there for other processes.

CACHE/<address>/lock                      one process at a time fetches, or removes
CACHE/<address>/<version>/alive           held by everybody who reads from the version
CACHE/<address>/<version>/listing.json    sizes and tags of its objects
CACHE/<address>/<version>/files/NAME...   the objects, as they lie under the address
CACHE/<address>/<version>.part/           the same, while it is fetched

A version is whole, as it gets its name last, and never changes: where the bucket's list is another,
it is another version, which shares the files that stayed the same. A version that is neither the
newest nor read from any more is removed.
"""

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtickets.errors import InputError, show_as
from rtickets.platform import preemption
from rtickets.platform.private import private_folder
from rtickets.storage import addresses
from rtickets.storage.addresses import Address
from rtickets.storage.fetching import (
    ARRIVING,
    FILES,
    ChangedMeanwhileError,
    Contents,
    fetch,
    list_contents,
)
from rtickets.storage.files import read_object, write_json
from rtickets.storage.temporary import REMOVED

_CACHE, _LISTING, _ALIVE, _PART = "data", "listing.json", "alive", ".part"
_TRIES = 3  # to find an address that stays the same while it is fetched
_PAUSE = 0.5  # seconds between looks at another process that fetches
_SPARE = 2**26  # bytes that a disk keeps free

_places: dict[str, Path] = {}
_held: list[int] = []
_one = threading.Lock()


def here(text: str | Path) -> Path:
    """Return a path on this machine: that of what an address stands for, which is fetched.

    A process looks at an address once, and sees the same files to its end.

    Args:
        text: s3://BUCKET/PATH or gs://... of an object, or of what lies there as in a folder; a
            path is returned as it is.

    Raises:
        NothingThereError: for an address without objects.
        InputError: for objects that can be no files, too little space, or an address whose objects
            change all the time.
        StorageError: for a bucket that cannot be had.
        OSError: for a disk that becomes full.
    """
    if not addresses.is_address(text):
        return Path(text)
    address = addresses.read_address(str(text))
    with _one:
        found = _places.get(str(address))
        if found is None:
            found = _places[str(address)] = _open(address)
            show_as(str(found), str(address))
        return found


def forget() -> None:
    """Let go of all that this process has looked at."""
    with _one:
        for place in _places.values():
            show_as(str(place), None)
        _places.clear()
        while _held:
            os.close(_held.pop())


def _open(address: Address) -> Path:
    of = hashlib.sha256(f"{addresses.server_of(address)} {address}".encode()).hexdigest()[:16]
    base = private_folder("cache", _CACHE) / of
    base.mkdir(mode=0o700, exist_ok=True)
    name = address.name or address.bucket
    for _ in range(_TRIES):
        contents = list_contents(address)
        version = base / contents.digest
        if _hold(version, contents):
            return version / FILES / name
        with _alone(base, address):
            if not version.is_dir():
                whole = _fetch(version, contents, address)
                if not whole or list_contents(address).digest != contents.digest:
                    continue
                version.with_name(f"{version.name}{_PART}").rename(version)
            held = _hold(version, contents)
            _remove_others(base, version)
        if held:
            return version / FILES / name
    raise InputError(
        f"{address} changes while it is fetched; give the same command again when nobody writes it"
    )


def _hold(version: Path, contents: Contents) -> bool:
    """Hold a version until the process ends; return whether it is there, and stays."""
    try:
        descriptor = os.open(version / _ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), (version / _ALIVE).lstat()):
            raise FileNotFoundError  # it was removed a moment ago
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return False
    _held.append(descriptor)
    for path, entry in contents.files.items():
        file = version / FILES / path
        if not file.is_file() or file.stat().st_size != entry.size:
            raise InputError(f"{file} is not what was fetched; remove {version}")
    return True


@contextmanager
def _alone(base: Path, address: Address) -> Iterator[None]:
    """Wait for other processes of this user that fetch the address, and let others wait."""
    descriptor = os.open(
        base / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    from rtickets.platform import console  # JAX, which those who fetch nothing do without

    try:
        told = False
        while not _lock(descriptor, base):
            if not told:
                console.say(f"{address} is being fetched by another process; waiting for it")
                told = True
            preemption.check()
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, base: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"{base} cannot be locked ({error.strerror}); set XDG_CACHE_HOME to a local disk"
        ) from None
    return True


def _fetch(version: Path, contents: Contents, address: Address) -> bool:
    """Make `version`.part whole; return False where an object changed meanwhile."""
    from rtickets.platform import console

    part = version.with_name(f"{version.name}{_PART}")
    part.mkdir(mode=0o700, exist_ok=True)
    (part / _ALIVE).touch(mode=0o600)
    write_json(part / _LISTING, contents.listed)
    for other in part.parent.iterdir():
        if other != part and other.is_dir():
            _share(other, part, contents)
    there = {path for path in contents.files if (part / FILES / path).is_file()}
    sizes = [entry.size for path, entry in contents.files.items() if path not in there]
    total = sum(sizes)
    _check_space(part, total, address)
    console.say(
        f"{address}: {len(sizes):,} of {len(contents.files):,} files, {_shown(total)}, are fetched "
        f"into {part.parent}"
    )
    mega = [0, 0]  # bytes that arrived, megabytes that were told

    with console.task(f"fetching {address}", max(total // 10**6, 1), unit="MB") as work:

        def tell(count: int) -> None:
            mega[0] += count
            if more := mega[0] // 10**6 - mega[1]:
                mega[1] += more
                work.advance(more)

        try:
            fetch(contents, part, tell)
        except ChangedMeanwhileError:
            return False
    shutil.rmtree(part / ARRIVING)
    return True


def _share(other: Path, part: Path, contents: Contents) -> None:
    """Take the files that another version has as well."""
    try:
        listed = read_object(other / _LISTING, "remove its folder")
    except (InputError, OSError):
        return
    for path, entry in contents.files.items():
        file, new = other / FILES / path, part / FILES / path
        if listed.get(path) == [entry.size, entry.tag] and not new.exists():
            with suppress(OSError):  # it is not there, or cannot be shared: it is fetched
                if file.stat().st_size == entry.size:
                    new.parent.mkdir(parents=True, exist_ok=True)
                    new.hardlink_to(file)


def _check_space(part: Path, needed: int, address: Address) -> None:
    free = shutil.disk_usage(part).free
    if needed + _SPARE > free:
        raise InputError(
            f"{address}: {_shown(needed)} are to be fetched into {part.parent}, where "
            f"{_shown(free)} are free; free some, or set XDG_CACHE_HOME to a larger disk"
        )


def _shown(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 10**9 else f"{count / 1e6:,.1f} MB"


def _remove_others(base: Path, version: Path) -> None:
    """Remove all versions that nobody reads from but one, and what was not fetched whole."""
    for other in base.iterdir():
        if other == version or not other.is_dir():
            continue
        with suppress(OSError):
            descriptor = os.open(other / _ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                gone = other.with_name(f"{other.name}{REMOVED}")  # at once, before all of it is
                other.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
            finally:
                os.close(descriptor)
