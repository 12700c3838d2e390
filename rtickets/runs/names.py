"""Run folders as users name them: a name of their own, a path, the newest of a kind, a pattern."""

import difflib
import glob
import re
from pathlib import Path

from rtickets.errors import InputError
from rtickets.platform.private import expanded
from rtickets.storage import workdirs
from rtickets.storage.addresses import is_any_address
from rtickets.storage.run_files import COMPLETE

LATEST = "latest:"
_LONGEST = 100  # bytes of the readable part of a folder's name


def readable(name: str) -> str:
    """Return the part of a folder's name that a user's name for a run becomes."""
    plain = re.sub(r"[^\w.+=,:@-]", "_", name).encode()
    return plain[:_LONGEST].decode(errors="ignore")


def find_run(text: str, workdir: Path = Path("runs")) -> Path:
    """Return the folder that a user means.

    Args:
        text: a path or an address, s3://... or gs://...; 'latest:PREFIX', the complete run whose
            folder's name begins with the prefix and that was completed last, of those named just
            so where there are some (the prefix draw-omp0.9 means no draw-omp0.95 then); or a
            pattern with *, ? or [...] that one folder matches. A prefix or pattern without a folder
            is looked for in `workdir`.
        workdir: where run folders lie.

    Returns:
        The folder; of a plain path not more is known than its name.

    Raises:
        InputError: if no complete run has the prefix, or not exactly one folder matches, or for an
            address of anything but a bucket.
        StorageError: for an address of a bucket that cannot be had.
    """
    prefix = text.removeprefix(LATEST)
    if is_any_address(prefix):
        text = text.removesuffix(prefix) + str(workdirs.local(prefix))
    found = _found(text, workdir)
    workdirs.refresh(found)
    return found


def _found(text: str, workdir: Path) -> Path:
    if not text:  # as of a variable of the shell that is not set
        raise InputError(f"the name of a run is empty; give its folder, or {LATEST}PREFIX")
    if text.startswith(LATEST):
        return _latest(text, workdir)
    text = str(expanded(text)) if text.startswith("~") else text
    if Path(text).exists() or not glob.has_magic(text):
        return Path(text)
    found = sorted(path for path in _matches(text, workdir) if path.is_dir())
    if len(found) != 1:
        names = [path.name for path in found]
        if len(set(names)) < len(names):  # as of tickets, which lie in runs
            names = [str(path) for path in found]
        shown = ", ".join(names[:5]) or "none"
        raise InputError(f"{text!r} must match one folder, and matches {len(found)}: {shown}")
    return found[0]


def _others(prefix: str, where: Path) -> str:
    """Return what could have been meant by the prefix of a run."""
    found = {path.parent.name.rpartition("-")[0] for path in where.glob(f"*-*-*/{COMPLETE}")}
    close = difflib.get_close_matches(Path(prefix).name, sorted(found), n=3, cutoff=0.4)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _latest(text: str, workdir: Path) -> Path:
    prefix = text.removeprefix(LATEST)
    if not Path(prefix).name:
        raise InputError(f"{text!r} lacks a prefix; write for instance {LATEST}pretrain-")
    begin_so = [path for path in _matches(glob.escape(prefix) + "*", workdir) if path.is_dir()]
    for path in begin_so:
        workdirs.look(path)
    found = [path for path in begin_so if (path / COMPLETE).is_file()]
    if not found:
        where = Path(prefix).parent if "/" in prefix else workdir
        more = _others(prefix, where)
        if begin_so:
            more = f" (not complete: {', '.join(sorted(path.name for path in begin_so)[:5])})"
        raise InputError(f"{text!r}: {where} has no complete run whose name begins so{more}")
    named = [path for path in found if path.name.rpartition("-")[0] == Path(prefix).name]
    return max(named or found, key=lambda path: (path / COMPLETE).stat().st_mtime_ns)


def _matches(pattern: str, workdir: Path) -> list[Path]:
    root = None if "/" in pattern else workdir
    workdirs.list_runs(root or Path(pattern).parent)
    found = glob.glob(pattern, root_dir=root)  # noqa: PTH207  Path.glob takes no absolute pattern
    return [Path(root or "", name) for name in found]
