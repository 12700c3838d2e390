"""Tables of texts: CSV, TSV and JSON lines, whose columns `DataConfig.text` names."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.arrays import LABEL, Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import Texts, lines_in, raw_of, read_text
from rtickets.data.sources.texts.splits import one_of_each
from rtickets.data.text.asked import VALUE
from rtickets.data.text.settings import TextConfig
from rtickets.errors import InputError

_ENDS = (".csv", ".tsv", ".jsonl")
_MOST_FIELD = 1 << 24  # characters of a cell
_MOST_DIGITS = 1000  # of a label that is a number; Python reads no more than 4,300
Row = Mapping[str, Any]


def table_of(config: DataConfig) -> Raw:
    """Return the rows of a table, or of those in a folder called train, test and validation."""
    hint = f"a table ({', '.join(_ENDS)}), or a folder with train, and test or validation"
    root = existing(config.path, config.source, hint)
    paths = {"train": root} if root.is_file() else one_of_each(root, _ENDS)
    if "train" not in paths:
        raise InputError(f"data.path={config.path!r} holds no table called train; expected {hint}")
    rows = {split: list(read_rows(path)) for split, path in paths.items()}
    for split, path in paths.items():
        if not rows[split]:
            raise InputError(f"{path}: holds no row")
    return raw_of_rows(config, rows, {split: str(path) for split, path in paths.items()})


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table by the names of its columns."""
    if path.suffix not in _ENDS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(_ENDS)}")
    text = read_text(path, "utf-8-sig")
    if path.suffix == ".jsonl":
        yield from json_rows(path, text)
        return
    csv.field_size_limit(_MOST_FIELD)
    how: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    reader = csv.DictReader(
        io.StringIO(text, newline=""), strict=True, **(how if path.suffix == ".tsv" else {})
    )
    try:
        names = list(reader.fieldnames or ())
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{path}: line {reader.line_num} has another number of columns than the first, "
                    f"{len(reader.fieldnames or ())}"
                )
            yield row
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from None


def json_rows(path: Path, text: str) -> Iterator[Row]:
    """Yield the objects of JSON lines."""
    for number, line in lines_in(text):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_named_once)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number} is no object with columns")
        yield row


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names all differ: of two alike nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r:.40} stands there twice; rename one")
    return found


def raw_of_rows(
    config: DataConfig, rows: Mapping[str, Sequence[Row]], names: Mapping[str, str]
) -> Raw:
    """Return splits of rows.

    Args:
        config: says which columns are read.
        rows: by split.
        names: what errors call each split.
    """
    settings, answer = config.text or TextConfig(), _answer(config)
    if answer not in ("", LABEL, VALUE):
        raise InputError(
            f"source={config.source!r} has texts with one label each, and not what the task "
            f"{config.task.name if config.task else ''!r} asks; take the source 'tagged' or 'squad'"
        )
    classes: tuple[str, ...] = ()
    if answer == LABEL:
        own = {_cell(row, settings.label, names["train"], at) for at, row in _at(rows["train"])}
        classes = tuple(sorted(own, key=_in_order))
        if "" in own:
            at = next(at for at, row in _at(rows["train"]) if row[settings.label] == "")
            raise InputError(f"{names['train']}: row {at}: its {settings.label!r} is empty")
    parts = {}
    for split, each in rows.items():
        texts = [_cell(row, settings.column, names[split], at) for at, row in _at(each)]
        seconds = None
        if settings.pair is not None:
            seconds = [_cell(row, settings.pair, names[split], at) for at, row in _at(each)]
        told = (
            [_cell(row, settings.label, names[split], at) for at, row in _at(each)]
            if answer
            else []
        )
        answers = {answer: _numbers(answer, told, classes, names[split])} if answer else {}
        parts[split] = Texts(texts, seconds, answers)
    return raw_of(config, parts["train"], parts.get("test"), parts.get("validation"), classes)


def _answer(config: DataConfig) -> str:
    """Return what the task asks of a text, '' for nothing."""
    return LABEL if config.task is None else getattr(config.task, "answer", LABEL)


def _at(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    return enumerate(rows, 1)


def _cell(row: Row, column: str, name: str, number: int) -> str:
    if column not in row:
        raise InputError(
            f"{name}: row {number} has the columns {', '.join(map(str, row))}; {column!r} is "
            "missing: name them by data.text.column, data.text.pair and data.text.label"
        )
    value = row[column]
    if not isinstance(value, str | int | float):
        raise InputError(f"{name}: row {number}: {column!r} is {value!r:.40}, expected text")
    return str(value)


def _in_order(label: str) -> tuple[Any, ...]:
    """Return what sorts numbers as numbers, before other labels."""
    if not label.isdecimal() or len(label) > _MOST_DIGITS:
        return (1, 0, label)
    return (0, int(label), label)


def _numbers(answer: str, told: Sequence[str], classes: Sequence[str], name: str) -> np.ndarray:
    if answer == LABEL:
        numbers = {label: number for number, label in enumerate(classes)}
        if unknown := [label for label in told if label not in numbers]:
            raise InputError(f"{name}: the label {unknown[0]!r} is none of those of train")
        return np.array([numbers[label] for label in told], np.int32)
    try:
        with np.errstate(over="ignore"):  # what is infinite then is refused where all is checked
            values = np.array([float(each) for each in told]).astype(np.float32)
    except ValueError as error:
        raise InputError(f"{name}: {error}; expected numbers to be told") from None
    return values
