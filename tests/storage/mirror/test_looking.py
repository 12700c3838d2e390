"""What those get who look at what others wrote."""

import os

import pytest

from rtickets.errors import RefusedError, StorageError
from rtickets.storage import progress
from tests.storage.mirror.conftest import Bucket, checkpoint, claim, write

pytest.importorskip("obstore")


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


def test_what_is_listed_and_cannot_be_read_is_an_error_where_one_works(
    mirrors, bucket, monkeypatch
):
    one, other = mirrors
    with one.hold("run", claim(one)):
        write(one, "run/metrics.jsonl", "1\n2\n")
        write(one, "run/config.json")
    real = Bucket.piece

    def lacks(self, key, *where):
        if key.endswith("metrics.jsonl"):
            raise FileNotFoundError(key)
        return real(self, key, *where)

    monkeypatch.setattr(Bucket, "piece", lacks)
    other.refresh("run")  # to those who look it may have been removed a moment ago
    assert [path.name for path in (other.root / "run").iterdir()] == ["config.json"]
    with pytest.raises(StorageError, match=r"metrics\.jsonl"), other.hold("run", claim(other)):
        pytest.fail("the run would go on without its metrics")
    assert bucket.read("run/metrics.jsonl")[0] == b"1\n2\n"


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


def test_a_folder_that_is_written_anew_while_one_looks_is_not_mixed(mirrors, bucket, monkeypatch):
    one, other = mirrors
    for name in ("mask", "ticket.json", "weights"):
        write(one, f"t/{name}", "old")
    one.wrote("t")
    other.refresh("t")
    real, done = Bucket.piece, []

    def piece(self, key, *where):
        if not done:
            done.append(True)
            for name in ("mask", "ticket.json", "weights"):
                write(one, f"t/{name}", "newer")
            one.wrote("t")
        return real(self, key, *where)

    write(one, "t/mask", "between")
    one.wrote("t")
    monkeypatch.setattr(Bucket, "piece", piece)
    other.refresh("t")
    assert {path.read_text() for path in (other.root / "t").iterdir()} == {"newer"}


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
