"""Claims in a bucket: renewed, and given up when lost."""

import json
import threading
import time

import pytest

from rtickets.errors import InUseError, LostError, StorageError
from rtickets.storage import leases
from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from rtickets.storage.objects import Objects
from tests.storage.leases.conftest import KEY, Clock, lease

pytest.importorskip("obstore")


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
