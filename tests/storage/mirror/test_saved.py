"""Folders that no run has, as tickets: never half the old one, and of two savers one."""

import pytest

from rtickets.errors import InputError, InUseError, StorageError
from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from tests.storage.mirror.conftest import Bucket, write

pytest.importorskip("obstore")


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
    assert not list(one.root.rglob("ticket.json"))  # nothing here that is not there
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
