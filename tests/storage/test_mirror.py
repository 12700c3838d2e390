"""Copies of a working directory in a bucket: what is put there, when, and what comes back."""

import os

import pytest

from rtickets.errors import InUseError
from rtickets.storage.leases import Lease, Owner
from rtickets.storage.mirror import Mirror
from rtickets.storage.objects import Objects, StorageError

obstore = pytest.importorskip("obstore")


class Bucket(Objects):
    """A bucket in memory that remembers what was written and removed."""

    def __init__(self, store=None):
        super().__init__(store or obstore.store.MemoryStore(), "memory://", patience=0)
        self.did = []

    def put(self, key, contents):
        self.did.append(("put", key))
        super().put(key, contents)

    def delete(self, keys):
        keys = list(keys)
        self.did += [("delete", key) for key in keys]
        super().delete(keys)

    def fenced(self, check):
        fenced = super().fenced(check)
        mine = Bucket(self._store)
        mine._check, mine.did = fenced._check, self.did
        return mine

    @property
    def keys(self):
        return {entry.key for entry in self.entries("") if not entry.key.startswith(".claims")}


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def mirrors(bucket, tmp_path):
    """Two processes' copies of one bucket."""
    roots = [tmp_path / name for name in "ab"]
    for root in roots:
        root.mkdir()
    return [Mirror(bucket, root) for root in roots]


def claim(mirror, name="run", owner="a", is_gone=lambda _: False):
    owned = Owner(owner, 60.0)
    return Lease(mirror.objects, f".claims/{name}", mirror.root / name, owned, is_gone)


def write(mirror, key, text="x"):
    path = mirror.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def checkpoint(mirror, step, *, sealed=True):
    """Write a checkpoint as Orbax does: first under another name."""
    name = f"run/checkpoints/{step}.orbax-checkpoint-tmp"
    for part in ("tree/d/1", "meta/2", *(["SEAL"] if sealed else [])):
        write(mirror, f"{name}/{part}", f"{step}{part}")
    written = mirror.root / name
    mirror.sealed(written, f"run/checkpoints/{step}")
    written.rename(mirror.root / f"run/checkpoints/{step}")


def test_what_one_leaves_another_finds(mirrors, bucket):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/config.json", "{}")
        one.wrote("run/config.json")
        write(one, "run/ticket/ticket.json")
        write(one, "run/metrics.jsonl", "1\n2\n")
    with other.hold("run", claim(other, owner="b")):
        assert (other.root / "run/metrics.jsonl").read_text() == "1\n2\n"
        assert (other.root / "run/ticket/ticket.json").exists()
    assert bucket.keys == {"run/config.json", "run/ticket/ticket.json", "run/metrics.jsonl"}


def test_only_one_can_hold_a_run(mirrors):
    one, other = mirrors
    with one.hold("run", claim(one)):
        with pytest.raises(InUseError), other.hold("run", claim(other, owner="b")):
            pytest.fail("both hold it")
        with other.hold("else", claim(other, "else", owner="b")):
            pass


def test_marks_are_written_last_and_removed_first(mirrors, bucket):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        for key in ("run/COMPLETE", "run/result.json", "run/a", "run/z/ticket.json", "run/z/b"):
            write(one, key)
        one.push("run")
        puts = [key for what, key in bucket.did if what == "put"]
        assert puts[-3:] == ["run/z/ticket.json", "run/result.json", "run/COMPLETE"]
        bucket.did.clear()
        for name in ("COMPLETE", "result.json", "a"):
            (one.root / "run" / name).unlink()
        write(one, "run/new")
        one.push("run")
    assert bucket.did[0] == ("delete", "run/COMPLETE")
    assert bucket.did[-1] == ("put", "run/new")
    assert bucket.keys == {"run/z/ticket.json", "run/z/b", "run/new"}


def test_only_what_changed_is_written_again(mirrors, bucket):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/a")
        write(one, "run/b", "first")
    bucket.did.clear()
    with other.hold("run", claim(other, owner="b")):
        write(other, "run/b", "second")
    assert bucket.did == [("put", "run/b")]
    with one.hold("run", claim(one)):
        assert (one.root / "run/b").read_text() == "second"


def test_what_is_being_written_does_not_leave_the_machine(mirrors, bucket):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        for key in ("run/.lock", "run/.x.123", "run/checkpoints/3.orbax-checkpoint-tmp/tree/d",
                    "run/checkpoints/2.removed/SEAL"):  # fmt: skip
            write(one, key)
    assert bucket.keys == set()


def test_a_checkpoint_is_there_when_its_seal_is(mirrors, bucket):
    one, other = mirrors
    with one.hold("run", claim(one)):
        checkpoint(one, 4)
        puts = [key for what, key in bucket.did if what == "put"]
        assert puts[-1] == "run/checkpoints/4/SEAL"
        one.push("run")  # under its own name there is nothing new
        assert bucket.did[-1] == ("put", "run/checkpoints/4/SEAL")
        checkpoint(one, 8, sealed=False)  # killed there
        bucket.delete(["run/checkpoints/8/SEAL"])
    with other.hold("run", claim(other, owner="b")):
        assert sorted(path.name for path in (other.root / "run/checkpoints").iterdir()) == ["4"]
        other.push("run")
    assert not [key for key in bucket.keys if "/8/" in key]


def test_a_checkpoint_that_has_no_name_here_yet_is_not_taken_for_removed(mirrors, bucket):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        written = write(one, "run/checkpoints/4.orbax-checkpoint-tmp/SEAL").parent
        one.sealed(written, "run/checkpoints/4")
        one.push("run")
        assert "run/checkpoints/4/SEAL" in bucket.keys
        written.rename(one.root / "run/checkpoints/4")
        one.push("run")
        (one.root / "run/checkpoints/4").rename(one.root / "run/checkpoints/4.removed")
        one.push("run")
        assert bucket.keys == set()


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

    def fails(self, key, contents):
        if key == "run/data":
            raise StorageError("it failed for 60 s")
        real(self, key, contents)

    monkeypatch.setattr(Bucket, "put", fails)

    def work():
        with one.hold("run", claim(one)):
            for name in ("data", "result.json", "COMPLETE"):
                write(one, f"run/{name}")

    with pytest.raises(StorageError):
        work()
    assert bucket.keys == set()


def test_others_look_at_what_is_complete_and_at_the_outside_of_the_rest(mirrors):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/config.json")
        write(one, "run/ticket/ticket.json")
        checkpoint(one, 4)
        one.push("run")
        other.refresh("run")
        assert not (other.root / "run/ticket").exists()
        (one.root / "run/config.json").unlink()
        write(one, "run/COMPLETE")
    other.refresh("run")
    assert (other.root / "run/ticket/ticket.json").exists()
    assert not (other.root / "run/checkpoints").exists()
    assert not (other.root / "run/config.json").exists()


def test_a_complete_run_is_asked_for_once_until_it_is_reopened(mirrors, bucket, monkeypatch):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/COMPLETE")
    other.refresh("run")
    asked = []
    monkeypatch.setattr(bucket, "entries", lambda name: asked.append(name) or [])
    other.refresh("run")
    assert asked == []
    other.removed("run/COMPLETE")
    other.refresh("run")
    assert asked == ["run"]


def test_times_are_those_of_the_bucket(mirrors, bucket):
    one, other = mirrors
    with one.hold("run", claim(one)):
        path = write(one, "run/COMPLETE")
        os.utime(path, (1, 1))
    other.refresh("run")
    (entry,) = bucket.entries("run")
    assert (other.root / "run/COMPLETE").stat().st_mtime == pytest.approx(entry.changed, abs=1e-3)


def test_of_many_who_make_an_empty_file_one_is_told_that_it_is_new(mirrors):
    assert [mirror.create_empty("study/done/00001") for mirror in mirrors] == [True, False]


def test_lines_that_grow_are_put_there_while_the_run_goes_on(mirrors, bucket):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/metrics.jsonl", "1\n")
        write(one, "run/other", "1\n")
        one.push_lines("run", bucket)
        assert bucket.keys == {"run/metrics.jsonl"}


def test_no_link_is_followed(mirrors, bucket, tmp_path):
    one, _ = mirrors
    secret = tmp_path / "secret"
    secret.write_text("mine")
    with one.hold("run", claim(one)):
        write(one, "run/a")
        (one.root / "run/link").symlink_to(secret)
    assert bucket.keys == {"run/a"}


def test_a_folder_that_is_removed_after_the_run_is_removed_there(mirrors, bucket):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        for key in ("run/COMPLETE", "run/attacks/pgd/attack.npz", "run/attacksx"):
            write(one, key)
    one.removed("run/attacks")
    assert bucket.keys == {"run/COMPLETE", "run/attacksx"}
