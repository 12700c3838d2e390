"""Metrics of a run as lines of JSON, and small files written whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rtickets.errors import InputError
from rtickets.storage import guarded, workdirs
from rtickets.storage.temporary import temporary_name

_REPAIR = "restore it from a copy, or remove its folder and run the stage again"
_NESTED = (dict, list)
_DEEPEST = 100  # levels of nesting, far more than any file of ours has


class MetricsFile:
    """Appends one JSON object a line; made by `open_metrics`. Without a file it does nothing."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line and wait until it is on disk."""
        if self._file is not None:
            self._file.write(json.dumps(values).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size


@contextlib.contextmanager
def open_metrics(path: Path, length: int = 0) -> Iterator[MetricsFile]:
    """Open a metrics file for appending and cut it to its first `length` bytes, if it has more.

    A checkpoint stores the file's length, and a resumed run cuts the file back to it, so that a run
    that was killed leaves the same file as one that was not. In other processes than the primary
    nothing is written.
    """
    from rtickets.platform.processes import is_primary  # JAX, which those who only read do without

    if not is_primary():
        yield MetricsFile(None)
        return
    with guarded.open_to_append(path) as file:
        file.truncate(min(length, os.fstat(file.fileno()).st_size))
        yield MetricsFile(file)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file."""
    return [json.loads(line) for line in guarded.read_bytes(path).splitlines()]


def read_sound_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file of which a power cut may have left anything.

    It is for what may lack a line, as `throughput.jsonl`; the file may be missing.
    """
    try:
        lines = guarded.read_bytes(path).split(b"\n")[:-1]  # what follows is not yet a whole line
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [values for values in found if isinstance(values, dict)]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file that the package wrote, see `read_object`."""
    return read_object(path, _REPAIR)


def read_object(path: Path, repair: str) -> dict[str, Any]:
    """Read a JSON object, nested less than 100 levels deep, so that anything may walk through it.

    Args:
        repair: what to do if it is damaged, for the message.

    Raises:
        InputError: if the file is damaged, or no regular file.
        FileNotFoundError: if there is none.
    """
    try:
        values = json.loads(guarded.read_bytes(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}; {repair}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object; {repair}")
    if _is_deeper(values, _DEEPEST):
        raise InputError(f"{path} is damaged: it is nested too deep; {repair}")
    return values


def _is_deeper(values: Any, levels: int) -> bool:
    level = [values]
    while level and levels:
        parts = (x.values() if isinstance(x, dict) else x for x in level if isinstance(x, _NESTED))
        level, levels = [one for part in parts for one in part], levels - 1
    return bool(level)


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    write_text(path, json.dumps(values, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all; what is no Unicode is escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = temporary_name(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            # A rename may reach the disk before the data does, and a power cut leave an empty file.
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    workdirs.wrote(path)


def make_empty(path: Path) -> bool:
    """Make an empty file unless it is there, and return whether it was not; for one of many."""
    is_new = workdirs.create_empty(path)
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return bool(is_new)
    return is_new is not False


def remove_file(path: Path) -> None:
    """Remove a file that may be missing."""
    if path.exists():
        path.unlink(missing_ok=True)
        workdirs.removed(path)


def remove_folder(path: Path) -> None:
    """Remove a folder that may be missing, as far as that can be done."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        workdirs.removed(path)
