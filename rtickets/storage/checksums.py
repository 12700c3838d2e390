"""A list of all files of a folder with their digests, kept in the folder, to know it is whole."""

import errno
import hashlib
import json
from pathlib import Path

from rtickets.storage import guarded
from rtickets.storage.files import write_json
from rtickets.storage.run_files import SEAL as FILE

_OF_THE_FILE = (errno.EIO, errno.ELOOP, errno.ENAMETOOLONG)


def seal(folder: Path, parts: tuple[str, ...]) -> None:
    """Write the list, of all files in some folders of this one."""
    listed = {
        path.relative_to(folder).as_posix(): _digest(path)
        for part in parts
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
    write_json(folder / FILE, {"files": listed, "digest": _digest_of_list(listed)})


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a sealed folder in a few words, None if nothing is."""
    try:
        stored = json.loads(guarded.read_bytes(folder / FILE))
        listed = dict(stored["files"])
        if stored["digest"] != _digest_of_list(listed):
            return f"{FILE} is changed"
    except (FileNotFoundError, NotADirectoryError):
        return f"{FILE} is missing"
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"{FILE} is changed"
    # The list may be anybody's as well: its digest shows damage, not who wrote it, so every name in
    # it is looked at before it is opened.
    for name, digest in listed.items():
        try:
            if {"", "..", "."}.intersection(name.split("/")):  # leads out of the folder
                return f"{FILE} is changed"
            if _digest(folder / name) != digest:
                return f"{name} is changed"
        except ValueError:  # a pipe, or a name that is none
            return f"{name} is no file"
        except (FileNotFoundError, NotADirectoryError):
            return f"{name} is missing"
        except OSError as error:
            if error.errno not in _OF_THE_FILE:
                raise
            return f"{name} cannot be read"
    return None


def _digest(path: Path) -> str:
    with guarded.open_to_read(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_list(listed: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
