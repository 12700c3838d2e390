"""What identifies the files of a data set, so that a run is told from one on other data."""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from rtickets.data.at_hand import at_hand
from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import source_of
from rtickets.data.sources.tfds_labels import KEPT
from rtickets.data.text.settings import GLOSSES
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.storage.fetched import here
from rtickets.storage.fetching import NothingThereError

MISSING = "missing"
"""What identifies files that are not there."""

_WHOLE = 1 << 30  # bytes up to which all contents are read
_SAMPLED = 1_000  # files of a larger set that are looked into, or blocks of fewer files
_BLOCK = 1 << 16  # bytes


class _File(NamedTuple):
    """A file as it lies on disk; a change of its contents changes its size or time."""

    name: str
    size: int
    modified_ns: int


def fingerprint(config: DataConfig) -> str | None:
    """Return what identifies the files that a task is read from.

    Names, sizes and contents count; places and times do not. Of sets of more than 1 GiB the
    contents are the first and last 64 KiB of 1,000 files, spread evenly over them, or of fewer
    files 1,000 blocks. The end of an .npz file has the checksums of all its arrays.

    Returns:
        16 hexadecimal digits, 'missing' where nothing is there, or None for a source that comes
        with a package. Loading refuses what is missing, and knows which run it is of.
    """
    try:
        files = source_of(config).files
    except InputError:
        return MISSING
    try:
        config, tokenizer = at_hand(config), _tokenizer(config)
    except NothingThereError:
        return MISSING
    if files is None and not tokenizer:
        return None
    named = files(config) if files is not None else ()
    found = []
    for root in (*(named if isinstance(named, tuple) else (named,)), *tokenizer):
        if root is None or not root.exists():
            return MISSING
        found.append(_digest(root, tuple(_listed(root))))
    if len(found) == 1:
        return found[0]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:16]


def _tokenizer(config: DataConfig) -> tuple[Path, ...]:
    """Return the file of the tokenizer that makes numbers of texts, if it is one of its own."""
    if config.text is None or config.text.tokenizer == GLOSSES:
        return ()
    return (here(config.text.tokenizer),)


def asked_by_source(config: DataConfig) -> str | None:
    """Return the settings of the task that a source asks, where the configuration leaves it to it.

    It is JSON, or None where the configuration says the task itself, or the source none of its own.
    """
    try:
        task = None if config.task else source_of(config).task
    except InputError:
        return None
    return None if task is None else json.dumps(config_files.to_dict(task), sort_keys=True)


def _listed(root: Path) -> list[_File]:
    if root.is_file():
        return [_seen(root, root.parent)]
    seen: set[tuple[int, int]] = set()
    paths = []
    for top, folders, names in os.walk(root, followlinks=True):
        status = Path(top).stat()
        if (status.st_dev, status.st_ino) in seen:  # links may go round in circles
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        # Labels that were read once and are kept there are ours, not the set's.
        paths += [Path(top) / name for name in names if not name.startswith(KEPT)]
    return sorted(_seen(path, root) for path in paths if path.is_file())


def _seen(path: Path, root: Path) -> _File:
    about = path.stat()
    return _File(os.fspath(path.relative_to(root)), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)  # a study asks once for every cell
def _digest(root: Path, files: tuple[_File, ...]) -> str:
    folder = root.parent if root.is_file() else root
    names = ((file.name if root.is_dir() else root.suffix, file.size) for file in files)
    found = hashlib.sha256(repr(list(names)).encode(errors="surrogateescape"))
    # Times are arguments all the same, so that the cache sees a change.
    whole = sum(file.size for file in files) <= _WHOLE
    seen = files if whole else files[:: -(-len(files) // _SAMPLED)]
    for file in seen:
        with (folder / file.name).open("rb") as opened:
            if whole:
                found.update(hashlib.file_digest(opened, "sha256").digest())
                continue
            for start in _starts(file.size, max(2, _SAMPLED // len(seen))):
                opened.seek(start)
                found.update(opened.read(_BLOCK))
    return found.hexdigest()[:16]


def _starts(size: int, blocks: int) -> list[int]:
    """Return where blocks of a file begin: at most this many, the first and the last among them."""
    last = max(size - _BLOCK, 0)
    return sorted({last * index // (blocks - 1) for index in range(blocks)})
