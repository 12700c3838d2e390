"""Claims of run folders in a bucket: an object that is created where there is none, and renewed.

A file lock is freed by the system when its process ends; in a bucket nobody does that. So a claim
holds for a time and is written anew long before that ends. Who wants one that another has watches
it: if it does not change for the whole of that time, by the clock of the watcher alone, its holder
is gone. A holder that could not renew in time writes nothing more, and neither does one that finds
another's claim in the place of its own. On the same machine a holder that is gone is known at once,
by the file lock of its scratch folder.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError, InUseError
from rtickets.storage.objects import Objects, StorageError, Tag

SECONDS = 60.0  # that a claim holds
VARIABLE = "RTICKETS_CLAIM_SECONDS"
RENEWALS = 6  # in that time
_SHORTEST = 6.0
_MARGIN = 5 / 6  # of that time: after so much without a renewal a holder counts itself out
_LONGEST_TEXT = 200


def seconds_of_claims() -> float:
    """Return how long claims hold: `SECONDS`, or what the environment says."""
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or SECONDS)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= 3600:
        raise InputError(f"{VARIABLE}={text!r}: give seconds from {_SHORTEST:g} to 3600")
    return seconds


class Owner(NamedTuple):
    """Who claims.

    Attributes:
        token: random, of the process; it names its scratch folder.
        seconds: that its claims hold.
    """

    token: str
    seconds: float


class Holder(NamedTuple):
    """What a claim says of who has it; `owner` is '' where nobody has."""

    owner: str
    process: int
    host: str
    seconds: float

    def __str__(self) -> str:
        """Return it as a file lock has it."""
        return f"process {self.process} on {self.host}"


def read_holder(data: bytes) -> Holder:
    """Return what a claim says; one that anybody made up is held by nobody for the usual time."""
    try:
        found = json.loads(data)
        owner, host = (str(found[name])[:_LONGEST_TEXT] for name in ("owner", "host"))
        seconds = min(max(float(found["seconds"]), _SHORTEST), 3600.0)
        return Holder(owner, int(found["process"]), host, seconds)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Holder("?", 0, "?", SECONDS)


class Lease:
    """A claim of one run folder; `Mirror.hold` makes, renews and releases it."""

    def __init__(
        self,
        objects: Objects,
        key: str,
        folder: Path,
        owner: Owner,
        is_gone: Callable[[Holder], bool],
        renewed_by: Objects | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind it; nothing is claimed yet.

        Args:
            objects: of the bucket.
            key: of the claim.
            folder: that is claimed, for errors.
            owner: who claims.
            is_gone: whether the holder of a claim is known to have ended.
            renewed_by: likewise, which answer or fail within a fraction of the time.
            sleep: waits.
            clock: seconds, which no change of the time of day moves.
        """
        self._objects, self._key, self._folder = objects, key, folder
        self._urgent = renewed_by or objects
        self._owner, self._is_gone, self._sleep, self._clock = owner, is_gone, sleep, clock
        self._tag: Tag = {}
        self._count, self._renewed, self._lost = 0, 0.0, ""

    def acquire(self) -> None:
        """Claim, unless another has it.

        A holder that has not renewed for longer than it should have is watched until it does, or
        for as long as its claim holds.

        Raises:
            InUseError: if another has it.
            StorageError: where the bucket cannot be had.
        """
        while True:
            began = self._clock()
            tag = self._objects.create(self._key, self._text())
            if tag is None:
                try:
                    data, theirs = self._objects.read(self._key)
                except FileNotFoundError:  # released a moment ago
                    continue
                self._wait_until_free(read_holder(data), theirs)
                began = self._clock()
                tag = self._objects.replace(self._key, self._text(), theirs)
            if tag is not None:
                self._tag, self._renewed = tag, began
                return

    def _wait_until_free(self, holder: Holder, tag: Tag) -> None:
        if not holder.owner or self._is_gone(holder):
            return
        found = self._objects.entries(self._key.rpartition("/")[0])
        written = max((one.changed for one in found if one.key == self._key), default=0.0)
        age = time.time() - written  # by two clocks: a hint, which decides nothing
        if age < 2 * holder.seconds / RENEWALS:
            raise self._in_use(holder)
        end = self._clock() + holder.seconds
        while self._clock() < end:
            self._sleep(holder.seconds / RENEWALS / 2)
            try:
                data, now = self._objects.read(self._key)
            except FileNotFoundError:
                return
            if now != tag and (holder := read_holder(data)).owner:
                raise self._in_use(holder)
            if now != tag:
                return

    def _in_use(self, holder: Holder) -> InUseError:
        return InUseError(
            f"{self._folder} is in use by {holder}; wait for it to end, or end it (where it was "
            f"killed, its claim ends {holder.seconds:.0f} seconds after that)",
            self._folder,
        )

    def renew(self) -> None:
        """Write the claim anew; a bucket that cannot be had is met again at the next time."""
        if self._lost:
            return
        began = self._clock()
        self._count += 1
        try:
            tag = self._urgent.replace(self._key, self._text(), self._tag)
            if tag is None:
                data, self._tag = self._urgent.read(self._key)
                if read_holder(data).owner != self._owner.token:
                    self._lost = str(read_holder(data))
                return
        except FileNotFoundError:
            self._lost = "nobody"
            return
        except StorageError:
            return
        self._tag, self._renewed = tag, began

    def check(self) -> None:
        """Raise InUseError where this process may no longer write: its claim is or may be lost."""
        if not self._lost and self._clock() - self._renewed > _MARGIN * self._owner.seconds:
            self._lost = "nobody, as far as is known"
        if self._lost:
            raise InUseError(
                f"{self._folder} was claimed by this process, which could not renew that in time; "
                f"it is now held by {self._lost}; the same command goes on when it is free",
                self._folder,
            )

    @property
    def lost(self) -> bool:
        """Whether this process may no longer write."""
        try:
            self.check()
        except InUseError:
            return True
        return False

    def release(self, *, forever: bool) -> None:
        """Let go of it.

        Args:
            forever: nobody will want it again, so that no object is left.
        """
        if self.lost:
            return
        if forever:  # whoever claims it now finds the run complete
            self._objects.delete([self._key])
            return
        # Not removed: that cannot be made to depend on whose it is.
        self._objects.replace(self._key, self._text(owner=""), self._tag)

    def _text(self, owner: str | None = None) -> bytes:
        words: dict[str, Any] = {
            "owner": self._owner.token if owner is None else owner,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "seconds": self._owner.seconds,
            "count": self._count,  # so that every renewal is another object
        }
        return json.dumps(words).encode()
