"""The JSON part of a ticket."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.masks import Summary
from rtickets.tickets.stored_trees import Stored

FORMAT = "rtickets-ticket"
VERSION = 2
_NESTING = {"keys": dict, "empty": list}  # what version 2 has and version 1 has not


def describe(
    summary: Summary,
    stored: Stored,
    alive: Mapping[str, np.ndarray],
    files: Mapping[str, bytes],
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what ticket.json says.

    Args:
        summary: the counts of the mask.
        stored: parameters and statistics.
        alive: the prunable leaves of the mask by path.
        files: contents of the files of tensors by name.
        meta: what `as_json` returned.

    Returns:
        The description, of the lowest version that can express how the dictionaries nest.
    """
    keys = {name: list(parts) for name, parts in stored.keys.items()}
    empty = [list(parts) for parts in stored.empty if parts != ("batch_stats",)]
    nesting = {"keys": keys, "empty": empty} if keys or empty else {}
    return {
        "format": FORMAT,
        "version": 2 if nesting else 1,
        "sparsity": {
            "prunable": summary.prunable.sparsity,
            "parameters": summary.parameters.sparsity,
            "leaves": {path: count.sparsity for path, count in summary.leaves.items()},
        },
        "shapes": {path: list(keep.shape) for path, keep in alive.items()},
        **nesting,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "meta": meta,
    }


def as_json(meta: Any) -> dict[str, Any]:
    """Return a `meta` as JSON gives it back, with lists for tuples.

    Raises:
        InputError: naming what JSON would change otherwise, such as a number of NumPy.
    """
    if not isinstance(meta, Mapping):
        raise InputError(f"meta is a {type(meta).__name__}; expected a dictionary")
    try:
        _check_json("meta", dict(meta))
        found: dict[str, Any] = json.loads(json.dumps(dict(meta)))
    except (RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"meta cannot be written as JSON: {error}") from None
    return found


def _check_json(path: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise InputError(f"{path} has the key {key!r}; JSON has keys of text alone")
            _check_json(f"{path}.{key}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _check_json(f"{path}.{index}", part)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{path} is {value}, which JSON cannot hold; give None or text")
    elif not (value is None or isinstance(value, str | int | float)):
        raise InputError(
            f"{path} is a {type(value).__name__}, which JSON would not give back; give text, "
            "numbers of Python, True, False, None, lists or dictionaries"
        )


def stages_in(meta: Any) -> list[Mapping[str, Any]]:
    """Return the stages that provenance tells of, whoever wrote it; none where it tells of none."""
    history = meta.get("history") if isinstance(meta, Mapping) else None
    return [e for e in history if isinstance(e, Mapping)] if isinstance(history, list) else []


def read_description(path: Path) -> dict[str, Any]:
    """Return the checked contents of a ticket's ticket.json.

    Raises:
        InputError: if it is missing, damaged, foreign or newer.
    """
    file = path / "ticket.json"
    if not file.is_file():
        what = "is not a ticket: it has no ticket.json" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}; give a run folder with a ticket, or a ticket's own")
    try:
        description = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{file} does not describe a ticket")
    version = description.get("version")
    # JSON's true is an int to Python, and equal to 1.
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(
            f"{path} has format version {version}, this rtickets reads up to {VERSION}; upgrade"
        )
    fields = {"sha256": dict, "shapes": dict, "meta": dict, **(_NESTING if version > 1 else {})}
    missing = [name for name, kind in fields.items() if not isinstance(description.get(name), kind)]
    if missing:
        raise InputError(f"{file} is damaged: it lacks {', '.join(missing)}")
    for name, shape in description["shapes"].items():
        if (
            not isinstance(shape, list)
            or not shape
            or not all(type(n) is int and n >= 0 for n in shape)
        ):
            raise InputError(f"{file} is damaged: the shape of {name} is {shape!r}")
    return description
