"""How far runs in a bucket are: the few files that tell, and who is at work."""

import os
import time
from collections import defaultdict

from rtickets.storage import run_files
from rtickets.storage.entries import Entry
from rtickets.storage.holders import read_holder
from rtickets.storage.leases import RENEWALS
from rtickets.storage.mirror import Mirror


def get(mirror: Mirror, claims: str) -> None:
    """Get what tells how far all runs are.

    The times of files and folders are those of the bucket, and a run that somebody is at has a file
    of a lock, as on a disk.

    Args:
        mirror: of the working directory.
        claims: the folder of claims.
    """
    by_run: dict[str, list[Entry]] = defaultdict(list)
    held: list[Entry] = []
    for entry in mirror.entries(""):
        name, _, rest = entry.key.partition("/")
        if name == claims:
            held.append(entry)
        elif rest and run_files.can_be_a_run(name):
            by_run[name].append(entry)
    mirror.get_all(one for run in by_run.values() for one in run if run_files.tells(one.key))
    for entry in held:
        _mark(mirror, entry)
    for name, entries in by_run.items():
        changed = max(entry.changed for entry in entries)
        if (mirror.root / name).is_dir():  # as of what is a run
            os.utime(mirror.root / name, (changed, changed))


def _mark(mirror: Mirror, entry: Entry) -> None:
    """Leave the file of a lock in the folder of a run that somebody is at."""
    folder = mirror.root / entry.key.partition("/")[2]
    try:
        holder = read_holder(mirror.objects.read(entry.key)[0])
    except FileNotFoundError:
        return
    # A claim is written anew several times before it ends; clocks may differ a little.
    is_at_work = time.time() - entry.changed < holder.seconds * (1 + 1 / RENEWALS)
    (folder / run_files.LOCK).unlink(missing_ok=True)
    if holder.owner and is_at_work and folder.is_dir():
        (folder / run_files.LOCK).write_text(str(holder))
        os.utime(folder / run_files.LOCK, (entry.changed, entry.changed))
