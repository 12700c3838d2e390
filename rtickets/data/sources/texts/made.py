"""Texts as sources read them, and the arrays that they become."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtickets.data.arrays import LABEL, Raw, Split
from rtickets.data.limits import opened, size_of
from rtickets.data.settings import DataConfig
from rtickets.data.text.rows import cut_off, rows_of
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import never_read
from rtickets.errors import InputError
from rtickets.models.bert import PART

_MOST = 1 << 32  # bytes of a file of texts


class Texts(NamedTuple):
    """The texts of a split.

    Attributes:
        texts: the texts.
        seconds: the second of every pair, None where texts are single.
        answers: what else is known of every text, arrays by name, such as `label`.
    """

    texts: Sequence[str]
    seconds: Sequence[str] | None = None
    answers: Mapping[str, np.ndarray] = {}


def labelled_texts(texts: Sequence[str], labels: Sequence[int]) -> Texts:
    """Return texts with classes."""
    return Texts(texts, answers={LABEL: np.array(labels, np.int32)})


def raw_of(
    config: DataConfig,
    train: Texts,
    test: Texts | None = None,
    validation: Texts | None = None,
    class_names: Sequence[str] = (),
) -> Raw:
    """Return tokenised splits, with a note where texts were cut off or lost their labels."""
    settings, notes = config.text or TextConfig(), []
    cut, rows = 0, 0
    splits: list[Split | None] = []
    for each in (train, test, validation):
        if each is None:
            splits.append(None)
            continue
        if not each.texts:
            raise InputError(f"{config.source}: a split has no texts")
        found = rows_of(settings, each.texts, each.seconds)
        cut, rows = cut + cut_off(settings, found), rows + len(each.texts)
        splits.append(Split({**found, **({} if settings.pack else each.answers)}))
    if settings.pack and train.answers:
        notes.append(f"packed rows hold several texts, and none of {', '.join(train.answers)}")
    if cut:
        notes.append(
            f"{cut:,} of {rows:,} texts fill data.text.length={settings.length} or were cut off "
            "there"
        )
    notes += notes_about(settings, [each for each in splits if each is not None])
    names = () if settings.pack else tuple(class_names)
    own, tests, held = splits
    assert own is not None
    return Raw(own, tests, names, held, notes=tuple(notes))


def notes_about(settings: TextConfig, splits: Sequence[Split]) -> list[str]:
    """Say what a tokenizer never reads, and where rows are mostly padding, which costs as texts."""
    lost = never_read(settings)
    parts = [np.asarray(each.arrays[PART]) > 0 for each in splits]
    there, tokens = sum(int(each.sum()) for each in parts), sum(each.size for each in parts)
    longest = max(int(each.sum(1).max()) for each in parts)
    if 2 * there >= tokens or longest == settings.length:
        return lost
    return [
        *lost,
        f"{1 - there / tokens:.0%} of the tokens are padding; data.text.length={longest} holds all "
        "texts too",
    ]


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return what a file holds, unpacked if its name ends with .gz."""
    if size_of(path) > _MOST:
        raise InputError(f"{path}: larger than {_MOST:,} bytes; cut it into several files")
    with opened(path) as file:
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise InputError(f"{path}: unpacks to more than {_MOST:,} bytes; cut it into several files")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: no {encoding.removesuffix('-sig')} text: {error}; convert it"
        ) from None


def lines_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text by their numbers, from 1 on.

    They end where files of lines end them, and not at signs such as U+2028 inside a text.
    """
    yield from enumerate(re.split("\r\n|\n|\r", text), 1)
