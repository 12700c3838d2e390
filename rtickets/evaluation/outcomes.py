"""What became of every example, kept beside the result of an evaluation for paired comparisons.

FOLDER/outcomes/NAME.safetensors, NAME 'clean' or the label of an attack, has `right`, a bit an
example (of random networks float32, the share of draws), `weights`, float32, where examples do not
all count alike, and `about`: int64 number of examples and `asked`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rtickets.errors import InputError
from rtickets.platform import processes
from rtickets.platform.short_repr import with_short_repr
from rtickets.storage import guarded
from rtickets.storage.files import write_bytes
from rtickets.tasks import Task

_FOLDER = "outcomes"


@with_short_repr
class Outcome(NamedTuple):
    """What became of the examples of a split.

    Attributes:
        right: bool (N,), or of a random network the share of draws in which it is, float32 (N,).
        weights: how much each counts in the headline, float32 (N,); None is all alike.
        asked: checksum of the arrays beside the input, such as labels, in their order: outcomes are
            of different examples where it differs.
    """

    right: np.ndarray
    weights: np.ndarray | None
    asked: int


def outcome_of(task: Task, right: np.ndarray, batch: Mapping[str, Any]) -> Outcome:
    """Return the outcome of answers.

    Args:
        task: with right and wrong answers.
        right: bool or float (N,).
        batch: the examples, as the task prepared them.
    """
    weights = task.example_weights(batch)
    asked = 0
    for name in sorted(set(batch) - {task.input}):
        asked = crc32(np.ascontiguousarray(batch[name]).tobytes(), crc32(name.encode(), asked))
    counted = None if weights is None else np.asarray(weights, np.float32)
    kind = bool if right.dtype == bool else np.float32
    return Outcome(np.asarray(right, kind), counted, asked)


def keep_outcome(folder: Path, name: str, outcome: Outcome) -> None:
    """Write an outcome to the folder of an evaluation, in the primary process alone."""
    right = outcome.right
    arrays = {
        "right": np.packbits(right) if right.dtype == bool else right,
        "about": np.array([len(right), outcome.asked], np.int64),
    }
    if outcome.weights is not None:
        arrays["weights"] = outcome.weights

    def write() -> None:
        guarded.own_folder(folder / _FOLDER)
        write_bytes(_file(folder, name), save(arrays))

    processes.on_primary(write)


def read_outcome(folder: Path, name: str) -> Outcome | None:
    """Return an outcome that an evaluation kept, None where it kept none, as older ones.

    Raises:
        InputError: for a file that is damaged.
    """
    file = _file(folder, name)
    try:
        arrays = load(guarded.read_bytes(file))
        count, asked = map(int, arrays["about"])
        right, weights = arrays["right"], arrays.get("weights")
        if right.dtype == np.uint8 and right.shape == (-(-count // 8),):
            right = np.unpackbits(right, count=count).astype(bool)
        for each in (right, weights):
            fine = each is None or (each.shape == (count,) and np.all((each >= 0) & (each <= 1)))
            if not fine:
                raise ValueError(f"no shares of {count} examples")
        return Outcome(right, weights, asked)
    except FileNotFoundError:
        return None
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{file} is damaged ({error}); restore it from a copy, or remove the evaluation's "
            "folder and run it again"
        ) from None


def _file(folder: Path, name: str) -> Path:
    return folder / _FOLDER / f"{name}.safetensors"
