"""Checkpoints in a bucket: there with their seals, and not taken for removed."""

import pytest

from rtickets.storage import known
from tests.storage.mirror.conftest import checkpoint, claim, write

pytest.importorskip("obstore")


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
