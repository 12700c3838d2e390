"""Duplicates: images that are exact copies of others, which makes a network look better than it is.

A copy has the same pixels, or as long as images stay encoded the same file. A digest per image is
kept, not the images, so that looking takes one pass.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.arrays import IMAGE, LABEL, Dataset, Split
from rtickets.data.images.pictures import read_file
from rtickets.data.images.streamed import StreamedImages

_PAIRS = (("validation", "training"), ("test", "training"), ("test", "validation"))


class Digests(NamedTuple):
    """What tells the images of a split apart.

    Attributes:
        images: a digest per image.
        labels: integers (N,) that tell apart what goes with the images: their labels, or digests.
        about: what that is.
    """

    images: list[bytes]
    labels: np.ndarray
    about: str = LABEL


def digest(data: Any) -> bytes:
    """Return 16 bytes that tell an image, as an array or a file's contents, apart from others."""
    return hashlib.blake2b(data, digest_size=16).digest()


def find_duplicates(dataset: Dataset, inputs: tuple[str, ...] = (IMAGE,)) -> tuple[str, ...]:
    """Compare the splits of a data set, by pixels in memory or by files of encoded images.

    Args:
        dataset: the data set.
        inputs: names of the arrays by which examples are told apart.

    Returns:
        A line per pair of splits that share images.
    """
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    noun = "images" if inputs == (IMAGE,) else "examples"
    return describe_duplicates(
        {name: _digests(each, inputs) for name, each in splits.items()}, noun
    )


def describe_duplicates(splits: Mapping[str, Digests], noun: str = "images") -> tuple[str, ...]:
    """Compare some or all of the splits 'training', 'validation' and 'test'.

    Returns:
        A line per pair that shares images: of how many, and how many with another label.
    """
    lines = (
        _copies(name, splits[name], of, splits[of], noun)
        for name, of in _PAIRS
        if name in splits and of in splits
    )
    return tuple(line for line in lines if line)


def duplicated_files(splits: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    """Compare files of some of the splits, as `describe_duplicates`.

    Only those are read that are as large as one of another split: others cannot be copies.
    """
    sizes = {name: [path.stat().st_size for path in paths] for name, paths in splits.items()}

    def digests(name: str) -> Digests:
        others = {size for other, each in sizes.items() if other != name for size in each}
        found = [
            digest(read_file(path)) if size in others else str(path).encode()
            for path, size in zip(splits[name], sizes[name], strict=True)
        ]
        return Digests(found, np.zeros(len(found), np.int64))

    return describe_duplicates({name: digests(name) for name in splits})


def _copies(name: str, ours: Digests, of: str, theirs: Digests, noun: str) -> str:
    mine = list(zip(ours.images, ours.labels.tolist(), strict=True))
    images = set(theirs.images)
    pairs = set(zip(theirs.images, theirs.labels.tolist(), strict=True))
    found = [pair not in pairs for pair in mine if pair[0] in images]
    if not found:
        return ""
    line = f"{len(found):,} of {len(mine):,} {name} {noun} are exact copies of {of} {noun}"
    return f"{line}, {sum(found):,} of them with another {ours.about}" if any(found) else line


def _digests(split: Split, inputs: tuple[str, ...]) -> Digests:
    images, rest = split.arrays[inputs[0]], _rest(split, inputs)
    if not isinstance(images, StreamedImages):
        seen = [np.ascontiguousarray(split.arrays[name]) for name in inputs]
        if len(seen) == 1:
            return Digests([digest(image) for image in seen[0]], *rest)
        return Digests(
            [digest(b"".join(each.tobytes() for each in row)) for row in zip(*seen, strict=True)],
            *rest,
        )
    with ThreadPoolExecutor(images.workers) as pool:
        of: Iterable[bytes] = pool.map(lambda i: digest(images.files.read(int(i))), images.chosen)
        return Digests(list(of), *rest)


def _rest(split: Split, inputs: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """Return what tells apart what goes with the inputs of a split, and what that is."""
    others = {name: each for name, each in split.arrays.items() if name not in inputs}
    if set(others) == {LABEL}:
        return split.labels, LABEL
    arrays = [np.ascontiguousarray(each) for each in others.values()]
    rows = (b"".join(each[place].tobytes() for each in arrays) for place in range(len(split)))
    digests = [int.from_bytes(digest(row)[:7], "big") for row in rows]
    return np.array(digests, np.int64), " or ".join(others)
