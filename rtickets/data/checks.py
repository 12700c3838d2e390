"""What has to hold for every set of classified images, wherever it comes from."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import LABEL, Raw
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT

_SHOWN = 5  # names that a line shows


@dataclass(frozen=True, config=STRICT)
class Classes(TaskConfig):
    """What loading asks of tasks whose images have a class each."""

    def split(self, arrays: Mapping[str, Any]) -> np.ndarray:
        """Return the classes."""
        return np.asarray(arrays[LABEL])

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check class names and labels, and return what is odd about them."""
        check_raw(raw, name)
        return class_notes(raw)


CLASSES = Classes()


def check_raw(raw: Raw, name: str) -> None:
    """Check that class names are text and differ, and that every label has a class.

    Args:
        name: what the errors call what a source delivered.
    """
    twice = [one for one, count in Counter(raw.class_names).items() if count > 1]
    if twice:
        raise InputError(f"{name}: two classes are called {twice[0]!r}; give each its own name")
    for one in raw.class_names:
        try:
            one.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{name}: the class name {one} is no Unicode text; name it, or its folder, in UTF-8"
            ) from None
    if LABEL not in raw.train.arrays or not raw.class_names:
        raise InputError(
            f"{name}: its examples are {', '.join(raw.train.arrays)} with "
            f"{len(raw.class_names)} class names; to classify them, they need `label` and a name "
            "per class; else name the task of the source, or data.task"
        )
    classes = len(raw.class_names)
    for split, part in (("train", raw.train), ("val", raw.validation), ("test", raw.test)):
        if part is None or not len(part):
            continue
        low, high = int(part.labels.min()), int(part.labels.max())
        if low < 0 or high >= classes:
            raise InputError(
                f"{name}: {split} labels lie in [{low}, {high}]; expected [0, {classes})"
            )


def class_notes(raw: Raw) -> tuple[str, ...]:
    """Return what is odd about the classes, in lines."""
    counts = np.bincount(raw.train.labels, minlength=len(raw.class_names))
    unused = [raw.class_names[label] for label in np.flatnonzero(counts == 0)]
    alike: dict[str, list[str]] = {}
    for name in raw.class_names:
        alike.setdefault(unicodedata.normalize("NFC", name).casefold(), []).append(name)
    same = [" and ".join(names) for names in alike.values() if len(names) > 1]
    found = ((unused, "classes without training images"), (same, "class names that look alike"))
    return tuple(f"{what}: {some(names)}" for names, what in found if names)


def some(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are, for a line."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
