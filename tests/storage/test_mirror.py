"""Copies of a working directory in a bucket: what is put there, when, and what comes back."""

import os
import shutil

import pytest

from rtickets.errors import InputError, InUseError, LostError, RefusedError, StorageError
from rtickets.storage import known, progress
from rtickets.storage.leases import Lease, Owner
from rtickets.storage.mirror import Mirror
from rtickets.storage.objects import Objects

obstore = pytest.importorskip("obstore")


class Bucket(Objects):
    """A bucket in memory that remembers what was written and removed."""

    def __init__(self, store=None):
        super().__init__(store or obstore.store.MemoryStore(), "memory://", patience=0)
        self.did = []

    def put(self, key, contents, over=None):
        self.did.append(("put", key))
        return super().put(key, contents, over)

    def delete(self, key):
        self.did.append(("delete", key))
        super().delete(key)

    def fenced(self, check, is_sure=None):
        mine = Bucket(self._store)
        mine._check, mine._is_sure, mine.did = check, is_sure or check, self.did
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
    write(mirror, f"{name}/.lock")  # as `locked` has it
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
        bucket.delete("run/checkpoints/8/SEAL")
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


def test_what_is_listed_and_cannot_be_read_is_an_error_where_one_works(
    mirrors, bucket, monkeypatch
):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/metrics.jsonl", "1\n2\n")
        write(one, "run/config.json")
    real = Bucket.piece

    def lacks(self, key, start, end):
        if key.endswith("metrics.jsonl"):
            raise FileNotFoundError(key)
        return real(self, key, start, end)

    monkeypatch.setattr(Bucket, "piece", lacks)
    other.refresh("run")  # to those who look it may have been removed a moment ago
    assert [path.name for path in (other.root / "run").iterdir()] == ["config.json"]
    with pytest.raises(StorageError, match=r"metrics\.jsonl"), other.hold("run", claim(other)):
        pytest.fail("the run would go on without its metrics")
    assert bucket.read("run/metrics.jsonl")[0] == b"1\n2\n"


@pytest.mark.parametrize("gone", ["", "run", "run/.lock"])
def test_copies_that_somebody_removed_are_not_removed_from_the_bucket(mirrors, bucket, gone):
    one, _ = mirrors

    def work():
        with one.hold("run", claim(one)):
            write(one, "run/config.json")
            checkpoint(one, 4)
            one.push("run")
            before.update(bucket.keys)
            path = one.root / gone
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            one.wrote("run/metrics.jsonl")

    before = set()
    with pytest.raises(StorageError, match="scratch"):
        work()
    assert before == bucket.keys
    assert "run/checkpoints/4/SEAL" in before


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


def test_a_ticket_in_a_folder_that_is_no_run_is_got_when_it_is_asked_for(mirrors):
    one, other = mirrors
    write(one, "group/mine/ticket.json")
    one.wrote("group/mine")
    write(one, "group/theirs/ticket.json")
    one.wrote("group/theirs")
    for asked in ("group", "group/mine", "group"):
        other.refresh(asked)
    assert (other.root / "group/mine/ticket.json").exists()
    assert not (other.root / "group/theirs").exists()


def test_a_ticket_that_is_replaced_is_never_half_the_old_one(mirrors, bucket, monkeypatch):
    one, _ = mirrors
    for name in ("mask", "weights", "ticket.json"):
        write(one, f"t/{name}", "old")
    one.wrote("t")
    bucket.did.clear()
    for name in ("mask", "weights", "ticket.json"):
        write(one, f"t/{name}", "new!")
    real = Bucket.put

    def killed(self, key, contents, over=None):
        if key == "t/weights":
            raise StorageError("killed here")
        return real(self, key, contents, over)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", killed)
        with pytest.raises(StorageError):
            one.wrote("t")
    assert "t/ticket.json" not in bucket.keys
    for name in ("mask", "weights", "ticket.json"):
        write(one, f"t/{name}", "new!")
    one.wrote("t")
    assert bucket.did[0] == ("delete", "t/ticket.json")
    assert bucket.did[-1] == ("put", "t/ticket.json")
    assert {bucket.read(key)[0] for key in bucket.keys} == {b"new!"}


def test_a_folder_that_is_written_anew_while_one_looks_is_not_mixed(mirrors, bucket, monkeypatch):
    one, other = mirrors
    for name in ("mask", "ticket.json", "weights"):
        write(one, f"t/{name}", "old")
    one.wrote("t")
    other.refresh("t")
    real, done = Bucket.piece, []

    def piece(self, key, start, end):
        if not done:
            done.append(True)
            for name in ("mask", "ticket.json", "weights"):
                write(one, f"t/{name}", "newer")
            one.wrote("t")
        return real(self, key, start, end)

    write(one, "t/mask", "between")
    one.wrote("t")
    monkeypatch.setattr(Bucket, "piece", piece)
    other.refresh("t")
    assert {path.read_text() for path in (other.root / "t").iterdir()} == {"newer"}


def test_of_two_who_save_a_folder_one_is_told_of_the_other(mirrors, bucket):
    one, other = mirrors
    for mirror in mirrors:
        for name in ("mask", "ticket.json", "weights"):
            write(mirror, f"group/t/{name}", mirror.root.name)
    at_work = claim_of_folder(other, bucket)
    at_work.acquire()
    with pytest.raises(InUseError):
        one.saved("group/t", claim_of_folder(one, bucket))
    assert bucket.keys == {"group/.claims/t"}
    at_work.release(forever=True)
    for name in ("mask", "ticket.json", "weights"):
        write(one, f"group/t/{name}", one.root.name)
    other.saved("group/t", claim_of_folder(other, bucket))
    with pytest.raises(InputError, match="exists"):
        one.saved("group/t", claim_of_folder(one, bucket))
    assert {bucket.read(key)[0] for key in bucket.keys} == {b"b"}
    assert not list(one.root.rglob("ticket.json"))


def claim_of_folder(mirror, bucket):
    owner = Owner(mirror.root.name, 60.0)
    return Lease(bucket, "group/.claims/t", mirror.root, owner, lambda _: False)


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


def test_a_checkpoint_that_gets_its_name_while_one_looks_stays(mirrors, bucket, monkeypatch):
    one, _ = mirrors
    with one.hold("run", claim(one)):
        written = write(one, "run/checkpoints/4.orbax-checkpoint-tmp/SEAL").parent
        one.sealed(written, "run/checkpoints/4")
        real = known.files_in

        def files_in(folder):
            found = real(folder)
            if written.exists():  # in Orbax's thread
                written.rename(one.root / "run/checkpoints/4")
            return found

        monkeypatch.setattr(known, "files_in", files_in)
        one.push("run")
        assert "run/checkpoints/4/SEAL" in bucket.keys


def test_how_far_runs_are_is_told_beside_what_is_no_run(mirrors, bucket):
    one, other = mirrors
    write(one, "mine/ticket.json")
    one.wrote("mine")
    bucket.put("x" * 300 + "/a", b"1")
    with one.hold("run", claim(one)):
        write(one, "run/config.json")
        one.push("run")
        progress.get(other, ".claims")
        other.list_runs()
    assert {path.name for path in (other.root / "run").iterdir()} == {".lock", "config.json"}


def test_the_objects_that_consoles_make_for_folders_are_no_files(mirrors, bucket, monkeypatch):
    one, _ = mirrors
    for key in ("run", "run/ticket", "run/checkpoints", "run/metrics.jsonl"):
        bucket.put(key, b"")
    for key in ("run/config.json", "run/COMPLETE", "run/ticket/ticket.json"):
        bucket.put(key, b"1")
    real = Bucket.read

    def read(self, key):
        if key == "run/checkpoints":  # it ends with a slash there, which a list leaves out
            raise FileNotFoundError(key)
        return real(self, key)

    monkeypatch.setattr(Bucket, "read", read)
    one.refresh("run")
    with one.hold("run", claim(one)):
        assert (one.root / "run/ticket/ticket.json").read_text() == "1"
        assert (one.root / "run/metrics.jsonl").read_text() == ""
        assert not (one.root / "run/checkpoints").exists()


@pytest.mark.parametrize("keys", [["run/a", "run/a/b"], ["run/" + "x" * 300]])
def test_what_can_be_no_file_is_named(mirrors, bucket, keys):
    one, _ = mirrors
    for key in keys:
        bucket.put(key, b"1")
    with pytest.raises(RefusedError, match="rename"), one.hold("run", claim(one)):
        pytest.fail("it was got")
