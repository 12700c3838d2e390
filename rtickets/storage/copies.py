"""Which files of a run folder are kept in a bucket, in which order, and which of them are read."""

import re
from collections.abc import Iterable

SEAL, COMPLETE, LOCK = "SEAL", "COMPLETE", ".lock"
# Written last: whoever sees one of these sees everything that it stands for.
_MARKS = {SEAL: 1, "ticket.json": 1, "rung.json": 2, "result.json": 3, COMPLETE: 4}
_TEMPORARY = re.compile(
    r"\..+\.\d+(\.old)?|.+\.removed|\.lock|.*\.orbax-checkpoint-tmp.*", re.DOTALL
)
_CHECKPOINT = re.compile(r"(.*?/checkpoints/(?:.*?/)?\d+)/", re.DOTALL)
_TELLING = (COMPLETE, "FAILED", "config.json", "units.json", "throughput.jsonl")
_WHILE_AT_WORK = ("done", "failed")  # folders of a study that its workers share


def is_temporary(key: str) -> bool:
    """Whether a file is being written, or is only of this process."""
    return any(_TEMPORARY.fullmatch(name) for name in key.split("/"))


def rank(key: str) -> int:
    """Return when a file is written: those of lower ranks before, and removed after it."""
    return _MARKS.get(key.rpartition("/")[2], 0)


def whole(keys: Iterable[str]) -> list[str]:
    """Leave out the files of checkpoints that lack the last of them, their seal."""
    keys = list(keys)
    sealed = {key.removesuffix(f"/{SEAL}") for key in keys if key.endswith(f"/{SEAL}")}
    return [key for key in keys if (found := _CHECKPOINT.match(key)) is None or found[1] in sealed]


def to_look_at(keys: Iterable[str]) -> list[str]:
    """Return what those need who do not work in a folder: all of a complete one but checkpoints.

    Of one that others are at, it is what lies in it directly, and how far a study is.

    Args:
        keys: of one folder, each RUN/...
    """
    keys = [key for key in keys if not is_temporary(key)]
    if any(key.count("/") == 1 and key.endswith(f"/{COMPLETE}") for key in keys):
        return [key for key in keys if "checkpoints" not in key.split("/")]
    return [key for key in keys if key.count("/") == 1 or key.split("/")[1] in _WHILE_AT_WORK]


def tells(key: str) -> bool:
    """Whether a file tells how far a run is."""
    _, *folders, name = key.split("/")
    if folders[:1] == ["rungs"]:
        return name == "throughput.jsonl"
    return name in _TELLING if not folders else folders[0] in _WHILE_AT_WORK
