"""Addresses in the place of folders: which folders of this process stand for places in a bucket.

Paths go through all of the package, and what is written under one of them is written by a few
functions of this room. They ask here whether the path is a copy of something in a bucket; where
nothing was opened, as for every working directory on a disk, the answer is no.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rtickets.errors import InputError, show_as
from rtickets.storage import addresses, conditions, leases, progress
from rtickets.storage.addresses import Address
from rtickets.storage.heartbeat import Heartbeat
from rtickets.storage.holders import Owner, seconds_of_claims
from rtickets.storage.mirror import Mirror
from rtickets.storage.objects import Objects
from rtickets.storage.scratch import Scratch, is_gone, open_scratch
from rtickets.storage.tries import PATIENCE

CLAIMS = ".claims"
_SECONDS_TO_OPEN = 10.0
_SECONDS_OF_CLAIMS = "10s"


class _Open(NamedTuple):
    """A working directory that is open.

    Attributes:
        address: of it.
        mirror: its copies.
        urgent: the bucket, by requests that are given up soon, for claims.
        owner: as whom this process claims.
        heartbeat: renews claims, and puts what grows into the bucket.
    """

    address: Address
    mirror: Mirror
    urgent: Objects
    owner: Owner
    heartbeat: Heartbeat


_opened: dict[Path, _Open] = {}
_scratch: list[Scratch] = []


def local(path: str | Path) -> Path:
    """Return the path that a word means: of an address that of its copy, which is got, too.

    Raises:
        InputError: for an address that is none, or without what it needs.
        StorageError: for a bucket that cannot be had.
    """
    addresses.check_no_other(path)
    if not addresses.is_address(path):
        return Path(path)
    address = addresses.read_address(str(path))
    if not address.path:
        raise InputError(f"{address} is a whole bucket; give {address}/NAME")
    within = [one for one in _opened.values() if _is_in(address, one.address)]
    if within:
        opened = max(within, key=lambda one: len(one.address.path))
        rest = address.path[len(opened.address.path) :].lstrip("/")
        found = opened.mirror.root / rest
    else:
        # A ticket of a run lies in the folder of the run.
        run = address.parent if address.name == "ticket" and address.parent.path else address
        found = open_workdir(str(run.parent)) / address.path[len(run.parent.path) :].lstrip("/")
    refresh(found)
    return found


def _is_in(address: Address, other: Address) -> bool:
    below = not other.path or address.path.startswith(f"{other.path}/")
    return (address.scheme, address.bucket) == (other.scheme, other.bucket) and below


def open_workdir(place: str | Path) -> Path:
    """Return the folder that a working directory is, or that stands for an address of one.

    Args:
        place: a path, returned as it is; or, as text, s3://BUCKET/PATH or gs://BUCKET/PATH, where
            nothing need be yet, and whose folder stays until `close_all`.

    Raises:
        InputError: for an address of anything but a bucket, or without what it needs.
        StorageError: where there is no such bucket, or it cannot be had.
    """
    addresses.check_no_other(place)
    if not addresses.is_address(place):
        return Path(place)
    address = addresses.read_address(str(place))
    for root, one in _opened.items():
        if one.address == address:
            return root
    seconds = seconds_of_claims()
    store = addresses.connect(address)
    Objects(store, str(address), _SECONDS_TO_OPEN).folders()  # says what is wrong
    if not _scratch:
        _scratch.append(open_scratch())
        atexit.register(close_all)
    scratch = _scratch[0]
    large = addresses.connect(address, retries=True)
    objects = Objects(store, str(address), PATIENCE, large)
    mirror = Mirror(objects, scratch.place(str(len(_opened))))
    urgent = Objects(addresses.connect(address, _SECONDS_OF_CLAIMS), str(address), patience=0)
    owner = Owner(scratch.token, seconds)
    beat = Heartbeat(mirror, urgent, scratch.touch, seconds / leases.RENEWALS)
    show_as(str(mirror.root), str(address))
    _opened[mirror.root] = _Open(address, mirror, urgent, owner, beat)
    return mirror.root


def close_all() -> None:
    """End the renewal of claims and remove all copies."""
    for root, one in _opened.items():
        one.heartbeat.end()
        show_as(str(root), None)
    _opened.clear()
    for scratch in _scratch:
        scratch.close()
    _scratch.clear()


def address_of(path: Path) -> str | None:
    """Return the address that a path stands for, None for one of a disk."""
    found = _find(path)
    return None if found is None else "/".join(filter(None, (str(found[0].address), found[1])))


def _find(path: Path) -> tuple[_Open, str] | None:
    if not _opened:
        return None
    path = path.absolute()
    for root, one in _opened.items():
        if path.is_relative_to(root):
            key = path.relative_to(root).as_posix()
            return one, "" if key == "." else key
    return None


def list_runs(workdir: Path) -> None:
    """Make a folder for every run that is in a bucket, so that they are found by name."""
    if (found := _find(workdir)) is not None:
        found[0].mirror.list_runs()


def refresh(path: Path) -> None:
    """Get what there is to look at of the run folder that a path lies in; nothing on a disk."""
    _tell(path, Mirror.refresh)


def refresh_named(workdir: Path, text: str) -> None:
    """Get what there is to look at of all run folders whose names stand in a text, in quotes."""
    found = _find(workdir)
    if found is not None:
        mirror = found[0].mirror
        for name in mirror.objects.folders():
            if f'"{name}"' in text:
                mirror.refresh(name)


def look(path: Path) -> None:
    """Get what says whether a run is complete, and nothing more."""
    _tell(path, Mirror.look)


def refresh_progress(workdir: Path) -> None:
    """Get what tells how far all runs are, and which of them somebody is at."""
    found = _find(workdir)
    if found is not None:
        progress.get(found[0].mirror, CLAIMS)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run folder of a bucket while the block runs; on a disk, do nothing.

    Raises:
        InUseError: if another process holds it, or comes to while the block runs.
        StorageError: where the bucket cannot be had, or knows no conditions.
    """
    found = _find(folder)
    if found is None:
        yield
        return
    opened, name = found
    conditions.check(opened.mirror.objects, CLAIMS)
    with opened.mirror.hold(name, _lease(opened, name)):
        yield


def _lease(opened: _Open, key: str) -> leases.Lease:
    """Return a claim of a folder, beside which it lies."""
    parent, _, name = key.rpartition("/")
    claim = "/".join(filter(None, (parent, CLAIMS, name)))
    return leases.Lease(
        opened.mirror.objects, claim, opened.mirror.root / key, opened.owner,
        lambda holder: is_gone(holder.owner), renewed_by=opened.urgent,
    )  # fmt: skip


def saved(folder: Path) -> None:
    """Put a folder of its own into the bucket, which is whole here; on a disk, do nothing.

    Raises:
        InUseError: while another process does that.
        InputError: where another did since this one looked there.
        StorageError: where the bucket cannot be had, or knows no conditions.
    """
    found = _find(folder)
    if found is None or found[0].mirror.is_held(found[1]):
        wrote(folder)
    else:
        opened, key = found
        check = partial(conditions.check, opened.mirror.objects, CLAIMS)
        opened.mirror.saved(key, _lease(opened, key), check)


def wrote(path: Path) -> None:
    """Put into the bucket what was written here, a file or a folder that is whole."""
    _tell(path, Mirror.wrote)


def removed(path: Path) -> None:
    """Remove from the bucket a file or a folder that was removed here."""
    _tell(path, Mirror.removed)


def _tell(path: Path, how: Callable[[Mirror, str], None]) -> None:
    found = _find(path)
    if found is not None and found[1]:
        how(found[0].mirror, found[1])


def sealed(written: Path, final: Path) -> None:
    """Put a checkpoint into the bucket that is whole, and about to get its name here."""
    found = _find(final)
    if found is not None:
        found[0].mirror.sealed(written, found[1])


def create_empty(path: Path) -> bool | None:
    """Make an empty object unless there is one; return whether there was none, None on a disk."""
    found = _find(path)
    return None if found is None else found[0].mirror.objects.create(found[1], b"") is not None
