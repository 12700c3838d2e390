"""Claims that are lost and buckets that fail: nothing is written, and nothing believed."""

import pytest

from rtickets.errors import InUseError, LostError, StorageError
from tests.storage.mirror.conftest import Bucket, claim, write

pytest.importorskip("obstore")


def test_after_a_lost_claim_nothing_is_written(mirrors, bucket):
    one, other = mirrors
    lease = claim(one)

    def work():
        with one.hold("run", lease):
            write(one, "run/a", "mine")
            one.push("run")
            with other.hold("run", claim(other, owner="b", is_gone=lambda _: True)):
                write(other, "run/a", "theirs")
                lease.renew()
                write(one, "run/a", "mine again")
                with pytest.raises(InUseError):
                    one.wrote("run/a")

    with pytest.raises(InUseError, match="could not renew"):
        work()
    assert bucket.read("run/a")[0] == b"theirs"


def test_an_error_leaves_what_was_done_and_frees_the_run(mirrors, bucket):
    one, other = mirrors

    def work():
        with one.hold("run", claim(one)):
            write(one, "run/a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert bucket.keys == {"run/a"}
    with other.hold("run", claim(other, owner="b")):
        pass


def test_a_bucket_that_fails_leaves_no_result(mirrors, bucket, monkeypatch):
    one, _ = mirrors
    real = Bucket.put

    def fails(self, key, contents, over=None):
        if key == "run/data":
            raise StorageError("it failed for 60 s")
        return real(self, key, contents, over)

    monkeypatch.setattr(Bucket, "put", fails)

    def work():
        with one.hold("run", claim(one)):
            for name in ("data", "result.json", "COMPLETE"):
                write(one, f"run/{name}")

    with pytest.raises(StorageError):
        work()
    assert bucket.keys == set()


def test_what_did_not_reach_the_bucket_is_not_believed_here(mirrors, bucket):
    one, _ = mirrors
    lease = claim(one)

    def work():
        with one.hold("run", lease):
            write(one, "run/config.json")
            one.wrote("run/config.json")
            lease._renewed -= 1000  # the bucket was away for longer than the margin
            write(one, "run/checkpoints/500/SEAL")
            write(one, "run/COMPLETE")
            one.wrote("run/COMPLETE")

    with pytest.raises(LostError):
        work()
    assert bucket.keys == {"run/config.json"}
    left = [path.name for path in (one.root / "run").iterdir()]
    assert sorted(left) == [".lock", "config.json"]


def test_what_nobody_holds_and_could_not_be_written_is_not_believed_here(
    mirrors, bucket, monkeypatch
):
    one, _ = mirrors
    for name in ("weights", "ticket.json"):
        write(one, f"mine/{name}")
    real = Bucket.put

    def fails(self, key, contents, over=None):
        if key.endswith("ticket.json"):
            raise StorageError("it failed for 60 s")
        return real(self, key, contents, over)

    monkeypatch.setattr(Bucket, "put", fails)
    with pytest.raises(StorageError):
        one.wrote("mine")
    assert [path.name for path in (one.root / "mine").iterdir()] == ["weights"]


def test_who_claims_a_run_has_nothing_that_the_bucket_has_not(mirrors):
    one, _ = mirrors
    write(one, "run/checkpoints/500/SEAL")
    write(one, "run/COMPLETE")
    with one.hold("run", claim(one)):
        assert [path.name for path in (one.root / "run").iterdir()] == [".lock"]


def test_who_does_not_know_yet_that_a_run_is_anothers_writes_over_nothing(mirrors, bucket):
    one, other = mirrors

    def work():
        with one.hold("run", claim(one)):
            write(one, "run/result.json", "early")
            one.push("run")
            with other.hold("run", claim(other, owner="b", is_gone=lambda _: True)):
                write(other, "run/result.json", "theirs")
            write(one, "run/result.json", "late")
            one.wrote("run/result.json")

    with pytest.raises(LostError):
        work()
    assert bucket.read("run/result.json")[0] == b"theirs"
