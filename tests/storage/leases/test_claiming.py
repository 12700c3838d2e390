"""Claims in a bucket: one holder, taken over from the dead, and let go of."""

import json
import time

import pytest

from rtickets.errors import InUseError, LostError, StorageError
from rtickets.storage import leases
from rtickets.storage.objects import Objects
from tests.storage.leases.conftest import KEY, Clock, lease

pytest.importorskip("obstore")


def test_of_two_the_second_is_told_who_holds_it(objects, tmp_path):
    lease(objects, "a", tmp_path).acquire()
    with pytest.raises(InUseError, match="process") as error:
        lease(objects, "b", tmp_path).acquire()
    assert error.value.folder == tmp_path / "run"
    assert 15 < error.value.seconds <= 20  # then it is known whether the first is at work


def test_what_is_released_is_free(objects, tmp_path):
    for forever in (False, True):
        first = lease(objects, "a", tmp_path)
        first.acquire()
        first.release(forever=forever)
        second = lease(objects, "b", tmp_path)
        second.acquire()
        second.release(forever=True)
    with pytest.raises(FileNotFoundError):
        objects.read(KEY)


def test_a_holder_that_is_known_to_be_gone_is_followed_at_once(objects, tmp_path):
    lease(objects, "a", tmp_path).acquire()
    clock = Clock()
    lease(objects, "b", tmp_path, clock, lambda holder: holder.owner == "a").acquire()
    assert clock.now == 0


def test_a_silent_holder_is_watched_for_the_whole_time(objects, tmp_path, old):
    lease(objects, "a", tmp_path).acquire()
    clock = Clock()
    lease(objects, "b", tmp_path, clock).acquire()
    assert 60 <= clock.now < 75


def test_a_holder_that_renews_keeps_it_whatever_the_clocks_say(objects, tmp_path, old):
    first, clock = lease(objects, "a", tmp_path), Clock()
    first.acquire()
    clock.then = first.renew
    with pytest.raises(InUseError):
        lease(objects, "b", tmp_path, clock).acquire()
    assert clock.now < 60


def test_a_claim_that_is_released_while_it_is_watched_is_taken(objects, tmp_path, old):
    first, clock = lease(objects, "a", tmp_path), Clock()
    first.acquire()
    clock.then = lambda: first.release(forever=False)
    lease(objects, "b", tmp_path, clock).acquire()
    assert clock.now < 60


@pytest.mark.parametrize("slow", [30, 600])
def test_a_clock_that_is_slow_does_not_keep_the_dead_alive(objects, tmp_path, monkeypatch, slow):
    lease(objects, "a", tmp_path).acquire()
    real = time.time
    monkeypatch.setattr(leases.time, "time", lambda: real() - slow)
    clock = Clock()
    lease(objects, "b", tmp_path, clock).acquire()
    assert 60 <= clock.now < 75


def test_a_claim_that_is_there_and_not_there_is_not_asked_for_without_end(
    objects, tmp_path, monkeypatch
):
    def lacks(_):
        raise FileNotFoundError

    tries, clock = [], Clock()
    monkeypatch.setattr(objects, "create", lambda *words: tries.append(words))
    monkeypatch.setattr(objects, "read", lacks)
    with pytest.raises(StorageError, match=KEY):
        lease(objects, "a", tmp_path, clock).acquire()
    assert len(tries) <= 10
    assert 20 < clock.now < 60


def test_a_release_that_takes_too_long_removes_no_claim_of_another(objects, tmp_path, monkeypatch):
    clock = Clock()
    mine = lease(objects, "a", tmp_path, clock)
    mine.acquire()

    class Late:
        """A store that removes nothing before its claim is over, and another has it."""

        def __init__(self):
            self.tries = 0

        def __getattr__(self, name):
            return getattr(objects._store, name)

        def delete(self, key):
            self.tries += 1
            if self.tries == 1:
                clock.now = 70
                lease(objects, "b", tmp_path, is_gone=lambda _: True).acquire()
                raise ConnectionError
            return objects._store.delete(key)

    mine._objects = Objects(Late(), "memory://")
    with pytest.raises(LostError):
        mine.release(forever=True)
    assert json.loads(objects.read(KEY)[0])["owner"] == "b"
