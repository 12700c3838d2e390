"""Which files of a run folder are kept in a bucket, in which order, and which of them are read."""

import os
from collections.abc import Iterable
from itertools import groupby

from rtickets.storage import temporary
from rtickets.storage.entries import Entry

SEAL, COMPLETE, LOCK = "SEAL", "COMPLETE", ".lock"
# Written last: whoever sees one of these sees everything that it stands for.
_MARKS = {SEAL: 1, "ticket.json": 1, "rung.json": 2, "result.json": 3, COMPLETE: 4}
_LONGEST_NAME = 255  # bytes, of Linux
_CHECKPOINTS = "checkpoints"
_TELLING = (COMPLETE, "FAILED", "config.json", "units.json", "throughput.jsonl", "events.jsonl")
_COUNTED = ("done", "failed")  # folders of a study that its workers share
WHILE_AT_WORK = (*_COUNTED, "cells")  # likewise, or that say what need not be done again


def is_temporary(key: str) -> bool:
    """Whether a file is being written, or is only of this process."""
    return any(name == LOCK or temporary.is_temporary(name) for name in key.split("/"))


def can_be_a_run(name: str) -> bool:
    """Whether a folder of a working directory may be one of ours, and can lie on a disk."""
    return not name.startswith(".") and len(os.fsencode(name)) <= _LONGEST_NAME


def rank(key: str) -> int:
    """Return when a file is written: those of lower ranks before, and removed after it."""
    return _MARKS.get(key.rpartition("/")[2], 0)


def by_rank(keys: Iterable[str]) -> list[list[str]]:
    """Return files in groups, in the order in which they are written."""
    return [list(group) for _, group in groupby(sorted(keys, key=rank), rank)]


def outdated(keys: Iterable[str]) -> list[str]:
    """Return the marks among files that are written anew, with any that they stand for."""
    keys = list(keys)
    return [
        key
        for key in keys
        if rank(key) and any(rank(one) < rank(key) and _is_beside(one, key) for one in keys)
    ]


def _is_beside(key: str, mark: str) -> bool:
    return key.startswith(f"{mark.rpartition('/')[0]}/")


def files_among(entries: Iterable[Entry], folder: str = "") -> list[Entry]:
    """Leave out the empty objects that consoles make for folders: on a disk they are none."""
    entries = list(entries)
    keys = [entry.key for entry in entries]
    folders = {key[:at] for key in keys for at, sign in enumerate(key) if sign == "/"}
    folders |= {"", folder}
    return [entry for entry in entries if entry.size or entry.key not in folders]


def whole(keys: Iterable[str]) -> list[str]:
    """Leave out the files of checkpoints that lack the last of them, their seal."""
    keys = list(keys)
    sealed = {key.removesuffix(f"/{SEAL}") for key in keys if key.endswith(f"/{SEAL}")}
    return [key for key in keys if not _is_half(key, sealed)]


def _is_half(key: str, sealed: set[str]) -> bool:
    """Whether a file lies in a checkpoint, a folder with a number, and in none that is sealed."""
    names = key.split("/")
    if _CHECKPOINTS not in names[1:]:
        return False
    first = names.index(_CHECKPOINTS, 1) + 1
    around = {"/".join(names[:end]) for end in range(first + 1, len(names))}
    return any(name.isdecimal() for name in names[first:-1]) and not around & sealed


def to_look_at(keys: Iterable[str], asked: Iterable[str] = ()) -> list[str]:
    """Return what those need who do not work in a folder: all of a complete one but checkpoints.

    Of one that others are at, it is what lies in it directly, how far a study is, and what somebody
    asked for, such as a ticket.

    Args:
        keys: of one folder, each RUN/...
        asked: names of folders in it.
    """
    keys, asked = [key for key in keys if not is_temporary(key)], tuple(f"{one}/" for one in asked)
    if any(key.count("/") == 1 and key.endswith(f"/{COMPLETE}") for key in keys):
        return [key for key in keys if _CHECKPOINTS not in key.split("/")]
    return [
        key
        for key in keys
        if key.count("/") == 1 or key.split("/")[1] in WHILE_AT_WORK or key.startswith(asked)
    ]


def tells(key: str) -> bool:
    """Whether a file tells how far a run is."""
    _, *folders, name = key.split("/")
    if folders[:1] == ["rungs"]:
        return name == "throughput.jsonl"
    return name in _TELLING if not folders else folders[0] in _COUNTED


def needs_no_look(key: str) -> bool:
    """Whether an empty file is one of the many that count cells, and no folder of a console."""
    return key.split("/")[-2:-1] == [_COUNTED[0]]
