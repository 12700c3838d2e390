"""A bucket in memory, two processes' copies of it, and what they write."""

import pytest

from rtickets.storage.holders import Owner
from rtickets.storage.leases import Lease
from rtickets.storage.mirror import Mirror
from rtickets.storage.objects import Objects


class Bucket(Objects):
    """A bucket in memory that remembers what was written and removed."""

    def __init__(self, store=None):
        from obstore.store import MemoryStore

        super().__init__(store or MemoryStore(), "memory://", patience=0)
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
