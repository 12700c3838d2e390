"""How files in a folder are called that are parts of one data set."""

from collections.abc import Sequence
from pathlib import Path

from rtickets.errors import InputError

NAMES = {
    "train": ("train",),
    "test": ("test",),
    "validation": ("validation", "valid", "val", "dev"),
}


def split_of(path: Path) -> str | None:
    """Return which part a file is by its name, None where it is no part's."""
    first = path.name.partition(".")[0]
    return next((split for split, names in NAMES.items() if first in names), None)


def one_of_each(folder: Path, ends: Sequence[str]) -> dict[str, Path]:
    """Return the file of every part that a folder has, by the part.

    Args:
        folder: that holds them.
        ends: of their names, such as '.csv'.

    Raises:
        InputError: if two files are one part.
    """
    found = {}
    for split, names in NAMES.items():
        paths = [folder / f"{name}{end}" for name in names for end in ends]
        there = [path for path in paths if path.is_file()]
        if len(there) > 1:
            raise InputError(f"{folder}: {there[0].name} and {there[1].name}; leave one of them")
        if there:
            found[split] = there[0]
    return found
