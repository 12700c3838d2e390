"""Claims in a bucket: one holder, renewed, taken over from the dead, given up when lost."""

import json
import threading
import time

import pytest

from rtickets.errors import InputError, InUseError, LostError, StorageError
from rtickets.storage import holders, leases
from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects

obstore = pytest.importorskip("obstore")
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
    return Objects(obstore.store.MemoryStore(), "memory://", patience=0)


def lease(objects, token, tmp_path, clock=None, is_gone=lambda _: False):
    clock = clock or Clock()
    return Lease(objects, KEY, tmp_path / "run", Owner(token, 60.0), is_gone, None,
                 clock.sleep, clock)  # fmt: skip


@pytest.fixture
def old(monkeypatch):
    """Let every claim look as if it was written long ago."""
    monkeypatch.setattr(leases.time, "time", lambda: 1e11)


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


def test_who_lost_it_may_not_write_and_lets_the_other_be(objects, tmp_path):
    first = lease(objects, "a", tmp_path)
    first.acquire()
    second = lease(objects, "b", tmp_path, is_gone=lambda _: True)
    second.acquire()
    first.renew()
    assert first.lost
    with pytest.raises(InUseError, match="could not renew"):
        first.check()
    first.release(forever=True)
    second.renew()
    second.check()


def test_who_cannot_renew_counts_itself_out_before_others_may(objects, tmp_path):
    clock = Clock()
    mine = lease(objects, "a", tmp_path, clock)
    mine.acquire()
    clock.now = 45
    mine.renew()
    clock.now = 90
    mine.check()
    clock.now = 96
    with pytest.raises(InUseError):
        mine.check()
    mine.renew()  # too late
    assert mine.lost


@pytest.mark.parametrize("error", [StorageError("later"), RuntimeError()])
def test_a_bucket_that_fails_once_costs_no_claim(objects, tmp_path, monkeypatch, error):
    mine = lease(objects, "a", tmp_path)
    mine.acquire()

    def fails(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(objects, "replace", fails)
        mine.renew()
    assert not mine.lost
    mine.renew()
    assert not mine.lost


def test_a_renewal_whose_answer_got_lost_counts(objects, tmp_path, monkeypatch):
    mine = lease(objects, "a", tmp_path)
    mine.acquire()
    real = objects.replace

    def answer_is_lost(key, contents, tag):
        real(key, contents, tag)
        raise StorageError("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "replace", answer_is_lost)
        mine.renew()
    mine.renew()
    mine.renew()
    assert not mine.lost
    assert json.loads(objects.read(KEY)[0])["owner"] == "a"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"owner": 1}', b"[" * 10**5, b"\xff"])
def test_a_claim_that_somebody_made_up_is_held_by_nobody_known(data):
    found = holders.read_holder(data)
    assert (found.owner, found.seconds) == ("?", holders.SECONDS)


@pytest.mark.parametrize("text", ["x", "0", "-1", "1e9", "nan"])
def test_seconds_that_make_no_sense_are_refused(text, monkeypatch):
    monkeypatch.setenv(holders.VARIABLE, text)
    with pytest.raises(InputError, match=holders.VARIABLE):
        holders.seconds_of_claims()


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


def test_a_renewal_that_is_under_way_does_not_outlive_the_release(objects, tmp_path):
    mine = lease(objects, "a", tmp_path)
    mine.acquire()
    begun, go, real = threading.Event(), threading.Event(), objects.replace

    def slow(key, contents, tag):
        found = real(key, contents, tag)
        begun.set()
        go.wait(10)
        return found

    mine._urgent = Objects(objects._store, "memory://", patience=0)
    mine._urgent.replace = slow
    renewing = threading.Thread(target=mine.renew)
    renewing.start()
    begun.wait(10)
    releasing = threading.Thread(target=lambda: mine.release(forever=False))
    releasing.start()
    go.set()
    renewing.join()
    releasing.join()
    lease(objects, "b", tmp_path).acquire()
    mine.renew()
    assert json.loads(objects.read(KEY)[0])["owner"] == "b"


def test_a_renewal_whose_answer_got_lost_does_not_keep_a_claim(objects, tmp_path):
    mine = lease(objects, "a", tmp_path)
    mine.acquire()
    objects.replace(KEY, mine._text() + b" ", mine._tag)  # as it arrived
    mine.release(forever=False)
    lease(objects, "b", tmp_path).acquire()
    assert json.loads(objects.read(KEY)[0])["owner"] == "b"


def test_a_release_that_takes_too_long_removes_no_claim_of_another(objects, tmp_path, monkeypatch):
    clock = Clock()
    mine = lease(objects, "a", tmp_path, clock)
    mine.acquire()
    real = obstore.store.MemoryStore.delete

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
            return real(objects._store, key)

    mine._objects = Objects(Late(), "memory://")
    with pytest.raises(LostError):
        mine.release(forever=True)
    assert json.loads(objects.read(KEY)[0])["owner"] == "b"


def test_who_could_not_renew_says_what_failed(objects, tmp_path, monkeypatch):
    clock = Clock()
    mine = lease(objects, "a", tmp_path, clock)
    mine.acquire()

    def fails(*_):
        raise StorageError("s3://b: writing the claim failed, 500 Internal Server Error")

    monkeypatch.setattr(objects, "replace", fails)
    mine.renew()
    clock.now = 55
    with pytest.raises(LostError, match=r"55 s.*500 Internal"):
        mine.check()


def test_the_time_that_a_machine_sleeps_counts(objects, tmp_path, monkeypatch):
    asleep = [0.0]
    monkeypatch.setattr(time, "clock_gettime", lambda of: asleep[0] if of == 7 else 0.0)
    monkeypatch.setattr(leases, "_CLOCK", 7)
    mine = Lease(objects, KEY, tmp_path / "run", Owner("a", 60.0), lambda _: False)
    mine.acquire()
    mine.check()
    asleep[0] = 3600.0
    with pytest.raises(LostError):
        mine.check()


def test_its_clock_is_one_that_goes_on_while_a_machine_sleeps():
    assert getattr(time, "CLOCK_BOOTTIME", leases._CLOCK) == leases._CLOCK
