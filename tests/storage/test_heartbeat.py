"""Renewing claims beside the work: together, whatever fails, and whatever else is slow."""

import threading
import time
from types import SimpleNamespace

import pytest

from rtickets.storage.heartbeat import Heartbeat


class Lease:
    """A claim whose renewals take long, and are counted."""

    lost = False

    def __init__(self, seconds):
        self._seconds, self.count = seconds, 0

    def renew(self):
        self.count += 1
        time.sleep(self._seconds)


@pytest.fixture
def beat():
    """Start a heart; it is stopped at the end."""
    begun = []

    def start(held, push_lines=lambda *_: None):
        mirror = SimpleNamespace(held=lambda: held, push_lines=push_lines)
        begun.append(Heartbeat(mirror, None, lambda: None, 0.02))
        return begun[-1]

    yield start
    for one in begun:
        one.end()


def test_claims_do_not_wait_for_each_other(beat):
    held = {str(number): Lease(0.2) for number in range(10)}
    beat(held)
    time.sleep(0.6)  # one after the other would take 2 s
    assert all(lease.count >= 2 for lease in held.values())


def test_claims_do_not_wait_for_lines_that_take_long(beat):
    going, lease = threading.Event(), Lease(0.0)
    beat({"run": lease}, lambda *_: going.wait(10))
    time.sleep(0.3)
    assert lease.count >= 3
    going.set()


def test_lines_that_cannot_be_put_there_are_tried_again(beat):
    tries = []

    def fails(*_):
        tries.append(True)
        raise OSError

    beat({"run": Lease(0.0)}, fails)
    time.sleep(0.3)
    assert len(tries) >= 2


def test_it_ends(beat):
    lease = Lease(0.0)
    beat({"run": lease}).end()
    time.sleep(0.1)
    before = lease.count
    time.sleep(0.1)
    assert lease.count == before <= 1
