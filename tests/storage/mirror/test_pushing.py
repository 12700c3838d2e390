"""Copies of a working directory in a bucket: what is put there, and when."""

import shutil
from types import SimpleNamespace

import pytest

from rtickets.errors import InUseError, StorageError
from rtickets.storage import workdirs
from tests.storage.mirror.conftest import checkpoint, claim, write

pytest.importorskip("obstore")


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


def test_of_many_who_make_an_empty_file_one_is_told_that_it_is_new(mirrors, monkeypatch, tmp_path):
    found = [(SimpleNamespace(mirror=mirror), "study/done/00001") for mirror in mirrors]
    monkeypatch.setattr(workdirs, "_find", lambda _: found.pop())
    assert [workdirs.create_empty(tmp_path) for _ in mirrors] == [True, False]


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
