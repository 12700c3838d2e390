"""A bucket in memory, claims in it, and clocks that pass when somebody sleeps."""

import pytest

from rtickets.storage import leases
from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects

KEY = ".claims/run"


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self):
        self.now, self.then = 0.0, lambda: None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.then()


@pytest.fixture
def objects():
    from obstore.store import MemoryStore

    return Objects(MemoryStore(), "memory://", patience=0)


def lease(objects, token, tmp_path, clock=None, is_gone=lambda _: False):
    clock = clock or Clock()
    return Lease(objects, KEY, tmp_path / "run", Owner(token, 60.0), is_gone, None,
                 clock.sleep, clock)  # fmt: skip


@pytest.fixture
def old(monkeypatch):
    """Let every claim look as if it was written long ago."""
    monkeypatch.setattr(leases.time, "time", lambda: 1e11)
