"""Words with tags: files of columns as CoNLL's, a word a line, and JSON lines with two lists.

Tags of entities are `O`, `B-KIND` and `I-KIND`; they get their numbers in this order, kind by kind,
see `rtickets.tasks.entities`. Other tags, as of parts of speech, are sorted.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rtickets.data.arrays import Raw, Split
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import lines_in, notes_about, read_text
from rtickets.data.sources.texts.splits import one_of_each
from rtickets.data.sources.texts.tables import json_rows
from rtickets.data.text.asked import TAGS
from rtickets.data.text.rows import rows_of
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tagged import tagged_rows
from rtickets.data.text.tokenizers import check_unicode
from rtickets.errors import InputError

_COLUMNS = (".conll", ".txt", ".bio", ".iob", ".iob2", ".tsv")
_ENDS = (*_COLUMNS, ".jsonl")
_ENTITY = re.compile(r"O|[BI]-.+", re.DOTALL)
_LABEL = TextConfig().label


class Sentence(NamedTuple):
    """Words and their tags."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def tagged_of(config: DataConfig) -> Raw:
    """Return the sentences of a file, or of those of a folder called train, test and validation."""
    hint = f"a file of words with tags ({', '.join(_ENDS)}), or a folder with train, and test"
    root = existing(config.path, config.source, hint)
    paths = {"train": root} if root.is_file() else one_of_each(root, _ENDS)
    if "train" not in paths:
        raise InputError(f"data.path={config.path!r} holds no file called train; expected {hint}")
    settings = config.text or TextConfig()
    found = {split: list(read_sentences(path, settings)) for split, path in paths.items()}
    for split, path in paths.items():
        if not found[split]:
            raise InputError(f"{path}: holds no sentence")
    for tag in sorted({tag for each in found["train"] for tag in each.tags}):
        check_unicode(tag, f"{paths['train']}: the tag")
    names = tag_names({tag for each in found["train"] for tag in each.tags})
    if settings.pack or getattr(config.task, "answer", TAGS) != TAGS:
        alone = {split: _texts_alone(settings, each) for split, each in found.items()}
        return Raw(alone["train"], alone.get("test"), (), alone.get("validation"))
    notes: list[str] = []
    splits = {
        split: _tagged(settings, each, names, paths[split], notes) for split, each in found.items()
    }
    notes += notes_about(settings, list(splits.values()))
    return Raw(
        splits["train"], splits.get("test"), names, splits.get("validation"), notes=tuple(notes)
    )


def tag_names(tags: set[str]) -> tuple[str, ...]:
    """Return tags in the order of their numbers."""
    if not all(_ENTITY.fullmatch(tag) for tag in tags):
        return tuple(sorted(tags))
    kinds = sorted({tag[2:] for tag in tags - {"O"}})
    return ("O", *(f"{begin}-{kind}" for kind in kinds for begin in "BI"))


def read_sentences(path: Path, settings: TextConfig) -> Iterator[Sentence]:
    """Yield the sentences of a file."""
    if path.suffix not in _ENDS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(_ENDS)}")
    text = read_text(path, "utf-8-sig")
    if path.suffix == ".jsonl":
        yield from _of_json(path, text, settings)
    else:
        yield from _of_columns(path, text, settings)


def _of_columns(path: Path, text: str, settings: TextConfig) -> Iterator[Sentence]:
    """Yield the sentences of a file of columns, which empty lines part."""
    column = _column(settings)
    words: list[tuple[str, str]] = []
    for number, line in lines_in(f"{text}\n"):
        cells = re.split(r"\t" if "\t" in line else r" +", line.strip(" \t"))
        if cells == [""]:
            if words:
                yield Sentence(*zip(*words, strict=True))
            words = []
        elif cells[0] != "-DOCSTART-":
            if len(cells) < max(2, column or 0) or "" in cells:
                raise InputError(
                    f"{path}: line {number}: {line!r:.40} has {len(cells)} columns; expected a "
                    "word, and its tag in the last one or in that which data.text.label numbers"
                )
            words.append((cells[0], cells[-1 if column is None else column - 1]))


def _column(settings: TextConfig) -> int | None:
    """Return the number of the column of tags, from 1 on; None is the last."""
    if settings.label == _LABEL:
        return None
    if not settings.label.isdecimal() or int(settings.label) < 2:
        raise InputError(
            f"data.text.label={settings.label!r}: columns of words have no names; give the number "
            "of that of the tags, 2 or more, or leave it out for the last"
        )
    return int(settings.label)


def _of_json(path: Path, text: str, settings: TextConfig) -> Iterator[Sentence]:
    names = (settings.column, settings.label)
    for number, row in enumerate(json_rows(path, text), 1):
        lists = [row.get(name) for name in names]
        fine = all(isinstance(each, list) for each in lists)
        if not fine or not all(isinstance(one, str) for each in lists for one in each or ()):
            raise InputError(
                f"{path}: row {number}: expected {names[0]!r} and {names[1]!r} to be lists of "
                "words and of tags; name them by data.text.column and data.text.label"
            )
        words, tags = (tuple(each or ()) for each in lists)
        if len(words) != len(tags):
            raise InputError(f"{path}: row {number} has {len(words)} words and {len(tags)} tags")
        if words:
            yield Sentence(words, tags)


def _tagged(
    settings: TextConfig,
    sentences: Sequence[Sentence],
    names: Sequence[str],
    path: Path,
    notes: list[str],
) -> Split:
    numbers = {name: number for number, name in enumerate(names)}
    for each in sentences:
        if unknown := [tag for tag in each.tags if tag not in numbers]:
            raise InputError(f"{path}: the tag {unknown[0]!r} is none of those of train")
    made = tagged_rows(
        settings,
        [each.words for each in sentences],
        [[numbers[tag] for tag in each.tags] for each in sentences],
    )
    if made.cut:
        total = sum(len(each.words) for each in sentences)
        notes.append(
            f"{path.name}: {made.cut:,} of {total:,} words lie behind "
            f"data.text.length={settings.length} and are cut off"
        )
    return Split({**made.arrays, TAGS: made.tags})


def _texts_alone(settings: TextConfig, sentences: Sequence[Sentence]) -> Split:
    """Return the words as texts, for tasks that ask nothing about them."""
    return Split(rows_of(settings, [" ".join(each.words) for each in sentences]))
