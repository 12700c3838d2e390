"""Kill a small study that lies in a bucket, start it again, and compare it with one on a disk.

    python tests/soak_bucket.py --kills=30

It is `tests/soak.py` with the working directory in a bucket of a server on this machine, of whose
requests one in twenty fails. What is in the bucket at the end must be, byte for byte, what an
undisturbed study leaves on a disk. Every start has no copies of what was there before; once in
three times it is of another machine as well, to which the claims of the killed process are those
of a stranger.
"""

import argparse
import hashlib
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SECONDS = "6"  # that claims hold, so that strangers wait no longer


def load(name: str) -> ModuleType:
    """Import a file that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


soak, buckets = load("soak"), load("bucket")


def address_of(workdir: Path) -> str:
    """Return where in the bucket a study lies."""
    return f"s3://{buckets.BUCKET}/soak/{workdir.name}"


def objects_of(workdir: Path) -> Any:
    """Return the objects of a study."""
    from rtickets.storage import addresses
    from rtickets.storage.objects import Objects

    address = addresses.read_address(address_of(workdir))
    return Objects(addresses.connect(address), str(address))


def contents(workdir: Path) -> dict[str, str]:
    """Return a digest of every object that must not depend on how often a run was killed."""
    store = objects_of(workdir)
    found = {}
    for entry in store.entries(""):
        parts = entry.key.split("/")
        kept = "checkpoints" not in parts or parts[-1] == "BEST"
        if parts[-1] not in soak.TIMES and kept and parts[0] != ".claims":
            found[entry.key] = hashlib.sha256(store.read(entry.key)[0]).hexdigest()
    return found


def held(workdir: Path, process: int) -> list[Path]:
    """Return the folders that a process claims."""
    from rtickets.storage.holders import read_holder

    time.sleep(0.05)
    store, found = objects_of(workdir), []
    for entry in store.entries(".claims"):
        try:
            holder = read_holder(store.read(entry.key)[0])
        except FileNotFoundError:
            continue
        if holder.owner and holder.process == process:
            found.append(workdir / entry.key.partition("/")[2])
    return found


class Starts:
    """Starts the study in the bucket, as on one machine or another."""

    def __init__(self, seed: int) -> None:
        self._random, self._machine = random.Random(seed), 0

    def __call__(self, folder: Path, workdir: Path) -> "subprocess.Popen[bytes]":
        workdir.mkdir(exist_ok=True)  # tells `soak` that it has begun
        if self._random.random() < 1 / 3:
            self._machine += 1
        own = {
            **os.environ,
            **soak.study.settings(folder),
            "RTICKETS_CLAIM_SECONDS": SECONDS,
            "XDG_CACHE_HOME": str(folder / f"machine{self._machine}"),
        }
        words = soak.study.command(folder, address_of(workdir))
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(words, env=own, stdout=log, stderr=log)


def waiting(once: Callable[..., Any]) -> Callable[..., Any]:
    """Return what tries again: a stranger is told to wait where the last was killed just now."""

    def often(folder: Path, *others: Any) -> Any:
        for attempt in range(20):
            try:
                return once(folder, *others)
            except RuntimeError:
                told = "is in use by" in (folder / "log.txt").read_text()[-500:]
                if not told or attempt == 19:
                    raise
            time.sleep(1)

    return often


def soak_bucket(
    folder: Path, kills: int, seed: int, say: Callable[[str], None], expected: Any = None
) -> Any:
    """Kill and compare, see `soak.soak`; an undisturbed study in the bucket is timed before."""
    expected = expected or soak.undisturbed(folder, say)
    with buckets.serving() as bucket:
        soak.start, soak.held, soak.contents = Starts(seed), held, contents
        soak.finish, soak.kill_at = waiting(soak.finish), waiting(soak.kill_at)
        began = time.monotonic()
        soak.finish(folder, folder / "whole-there")
        say(f"undisturbed in the bucket: {time.monotonic() - began:.1f} s, "
            f"{len(bucket.requests)} requests")  # fmt: skip
        if different := soak.differences(expected.contents, contents(folder / "whole-there")):
            raise RuntimeError(f"the study in the bucket is another: {different}")
        bucket.fault = buckets.Sometimes(20)
        return soak.soak(folder, kills, seed, say, expected)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak_bucket(Path(folder), options.kills, options.seed, print)
    where = ", ".join(f"{stage} {count}" for stage, count in found.during.most_common())
    print(f"killed {found.kills} times ({where}), {found.studies} studies came to their end, ")
    print(f"different files: {found.different or 'none'}; {time.monotonic() - began:.0f} s")
    return 1 if found.different else 0


if __name__ == "__main__":
    sys.exit(main())
