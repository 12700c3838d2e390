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
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtickets.errors import InUseError, LostError, StorageError
from rtickets.storage.entries import Tag
from rtickets.storage.holders import Holder, Owner, read_holder
from rtickets.storage.objects import Objects

RENEWALS = 6  # in that time
_MARGIN = 5 / 6  # of that time: after so much without a renewal a holder counts itself out
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0, 8.0)  # seconds between tries to get a free claim
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    """Return seconds that no change of the time of day moves, and that go on in a suspend."""
    return time.clock_gettime(_CLOCK)


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
        clock: Callable[[], float] = _now,
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
            clock: see `_now`.
        """
        self._objects, self._key, self._folder = objects, key, folder
        self._urgent = renewed_by or objects
        self._owner, self._is_gone, self._sleep, self._clock = owner, is_gone, sleep, clock
        self._tag: Tag = {}
        self._count, self._renewed = 0, 0.0
        self._lost = ""  # why this process has it no more
        self._missed = ""  # why it was not renewed the last time
        self._one = threading.Lock()  # who renews, or releases

    def acquire(self) -> None:
        """Claim, unless another has it.

        A holder that has not renewed for longer than it should have is watched until it does, or
        for as long as its claim holds.

        Raises:
            InUseError: if another has it.
            StorageError: where the bucket cannot be had, or others are always faster.
        """
        for pause in _PAUSES:
            began = self._clock()
            tag = self._objects.create(self._key, self._text())
            if tag is None:
                began, tag = self._take_over()
            if tag is not None:
                self._tag, self._renewed = tag, began
                return
            self._sleep(pause)
        raise StorageError(
            f"{self._objects.name}: {self._key} is there and not there, or others take it all the "
            "time; give the same command again"
        )

    def _take_over(self) -> tuple[float, Tag | None]:
        """Claim what another had; return since when, and None where somebody was faster."""
        try:
            data, theirs = self._objects.read(self._key)
        except FileNotFoundError:  # released a moment ago
            return self._clock(), None
        self._wait_until_free(read_holder(data), theirs)
        began = self._clock()
        return began, self._objects.replace(self._key, self._text(), theirs)

    def _wait_until_free(self, holder: Holder, tag: Tag) -> None:
        if not holder.owner or self._is_gone(holder):
            return
        found = self._objects.entries(self._key.rpartition("/")[0])
        written = max((one.changed for one in found if one.key == self._key), default=0.0)
        age = time.time() - written  # by two clocks: a hint, which decides nothing
        once = holder.seconds / RENEWALS
        if -once < age < 2 * once:
            raise self._in_use(holder, 2 * once - age)
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

    def _in_use(self, holder: Holder, seconds: float = 0.0) -> InUseError:
        return InUseError(
            f"{self._folder} is in use by {holder}; wait for it to end, or end it (where it was "
            f"killed, its claim ends {holder.seconds:.0f} seconds after that)",
            self._folder,
            seconds,
        )

    def renew(self) -> None:
        """Write the claim anew; a bucket that cannot be had is met again at the next time."""
        if self._one.acquire(blocking=False):  # else it is being written already
            try:
                self._renew()
            finally:
                self._one.release()

    def _renew(self) -> None:
        if not self._tag or self._lost:
            return
        began = self._clock()
        self._count += 1
        try:
            tag = self._urgent.replace(self._key, self._text(), self._tag)
            if tag is None:
                data, self._tag = self._urgent.read(self._key)
                if (holder := read_holder(data)).owner != self._owner.token:
                    self._lost = f"it is now held by {holder}"
                return
        except FileNotFoundError:
            self._lost = "it was removed"
            return
        except Exception as error:  # whatever it is, there is another time
            self._missed = str(error) or type(error).__name__
            return
        self._tag, self._renewed, self._missed = tag, began, ""

    def check(self) -> None:
        """Raise LostError where this process may no longer write: its claim is or may be lost."""
        silent = self._clock() - self._renewed
        if not self._lost and silent > _MARGIN * self._owner.seconds:
            why = self._missed or "it was stopped, or had no time"
            self._lost = f"none for {silent:.0f} s ({why})"
        if self._lost:
            raise LostError(
                f"{self._folder} was claimed by this process, which could not renew its claim in "
                f"time: {self._lost}; the same command goes on when it is free",
                self._folder,
            )

    def confirm(self) -> None:
        """Raise LostError likewise, after the bucket was asked."""
        with self._one:
            self._renew()
        self.check()

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

        Raises:
            StorageError: where the bucket cannot be had: its time ends the claim.
            LostError: likewise, after that.
        """
        with self._one:
            if not self._tag or self.lost:
                return
            tag, self._tag = self._tag, {}
            try:
                if forever:  # whoever claims it then finds the run complete
                    self._objects.fenced(self.check).delete(self._key)
                    return
            finally:
                self._lost = "it was given back"
            # Not removed: that cannot be made to depend on whose it is.
            while self._objects.replace(self._key, self._text(owner=""), tag) is None:
                try:
                    data, tag = self._objects.read(self._key)
                except FileNotFoundError:
                    return
                if read_holder(data).owner != self._owner.token:
                    return

    def _text(self, owner: str | None = None) -> bytes:
        words: dict[str, Any] = {
            "owner": self._owner.token if owner is None else owner,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "seconds": self._owner.seconds,
            "count": self._count,  # so that every renewal is another object
        }
        return json.dumps(words).encode()
