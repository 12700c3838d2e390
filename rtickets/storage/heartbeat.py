"""What goes on beside the work in a bucket: claims are renewed, lines that grow are put there."""

import threading
from collections.abc import Callable
from contextlib import suppress

from rtickets.errors import InUseError
from rtickets.storage.mirror import Mirror
from rtickets.storage.objects import Objects


class Heartbeat:
    """Beats until it is ended, by two threads: no line that takes long keeps a claim waiting."""

    def __init__(
        self, mirror: Mirror, urgent: Objects, touch: Callable[[], None], seconds: float
    ) -> None:
        """Start it.

        Args:
            mirror: whose claims, and whose files.
            urgent: the bucket, by requests that are given up soon.
            touch: called with every beat.
            seconds: between beats.
        """
        self._mirror, self._urgent, self._touch = mirror, urgent, touch
        self._seconds, self._ended = seconds, threading.Event()
        for call in (self._renew, self._put_lines):
            threading.Thread(
                target=self._beat, args=(call,), daemon=True, name="rtickets-claims"
            ).start()

    def end(self) -> None:
        """Beat no more."""
        self._ended.set()

    def _beat(self, call: Callable[[], None]) -> None:
        while not self._ended.wait(self._seconds):
            call()

    def _renew(self) -> None:
        """Renew all claims at once: of many, each has all of the time."""
        self._touch()
        held = self._mirror.held().values()
        renewing = [threading.Thread(target=lease.renew, daemon=True) for lease in held]
        with suppress(RuntimeError):  # the interpreter ends
            for one in renewing:
                one.start()
        for one in renewing:
            if one.ident is not None:
                one.join()

    def _put_lines(self) -> None:
        for name, lease in self._mirror.held().items():
            if not lease.lost:
                with suppress(InUseError, OSError):  # all of it is put there in the end
                    self._mirror.push_lines(name, self._urgent)
