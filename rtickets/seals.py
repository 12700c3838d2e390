"""A list of all files of a folder with their digests, kept in the folder, to know it is whole."""

import errno
import hashlib
import json
from pathlib import Path

from rtickets.metrics import write_json

FILE = "SEAL"


def seal(folder: Path, parts: tuple[str, ...]) -> None:
    """Write the list.

    Args:
        folder: the folder.
        parts: folders in it whose files are listed.
    """
    files = {
        path.relative_to(folder).as_posix(): _digest(path)
        for part in parts
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
    write_json(folder / FILE, {"files": files, "digest": _digest_of_list(files)})


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a sealed folder in a few words, None if nothing is."""
    try:
        stored = json.loads((folder / FILE).read_bytes())
        files = dict(stored["files"])
        if stored["digest"] != _digest_of_list(files):
            return f"{FILE} is changed"
    except FileNotFoundError:
        return f"{FILE} is missing"
    except (ValueError, LookupError, TypeError):
        return f"{FILE} is changed"
    for name, digest in files.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} is changed"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            if error.errno != errno.EIO:  # no fault of the file
                raise
            return f"{name} cannot be read"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_list(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
