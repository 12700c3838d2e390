"""GLUE and SQuAD as TensorFlow Datasets has them, read without TensorFlow."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from rtickets.data.arrays import LABEL, Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.source import Source
from rtickets.data.sources.texts.glue import GLUE, Glue, answer_of
from rtickets.data.sources.texts.made import Texts, raw_of
from rtickets.data.sources.texts.squad import question_of, raw_of_questions
from rtickets.data.sources.tfds import folder_in_root, open_builder, tfds_files
from rtickets.data.sources.tfds_labels import one_line
from rtickets.data.text.asked import VALUE, TextNumbers, TextSpans
from rtickets.data.text.windows import Question
from rtickets.errors import InputError

_NEEDS = "rtickets[tfds], rtickets[text]"


def tfds_text_source(name: str) -> Source | None:
    """Return the source of a set of texts, by its name in TensorFlow Datasets; None of others."""
    whole = name.partition(":")[0]
    if whole in ("squad", "squad/v1.1"):
        return _source(partial(_squad, name), name, TextSpans())
    for glue in GLUE.values():  # mismatched pairs have no name of their own there
        if whole == f"glue/{glue.tfds[0]}":
            return _source(partial(_glue, name, glue), name, glue.task)
    return None


def _source(read: Any, name: str, task: Any) -> Source:
    return Source(
        lambda config, view: read(config), f"{name} of TensorFlow Datasets", _NEEDS,
        files=partial(tfds_files, name), task=task, text=True, within=folder_in_root(name),
    )  # fmt: skip


def _glue(name: str, glue: Glue, config: DataConfig) -> Raw:
    builder = open_builder(name, config.path)
    test = "validation" + glue.test.removeprefix("dev")
    columns = (*glue.tfds[1:], LABEL)
    features = builder.info.features
    if missing := [each for each in columns if each not in features]:
        raise InputError(f"tfds:{name} has the features {sorted(features)}, and no {missing[0]!r}")
    answer = answer_of(glue, config)
    train, held_out = (_texts(builder, name, split, columns, answer) for split in ("train", test))
    classes = () if isinstance(glue.task, TextNumbers) else tuple(features[LABEL].names)
    return raw_of(config, train, held_out, class_names=classes)


def _texts(builder: Any, name: str, split: str, columns: tuple[str, ...], answer: str) -> Texts:
    rows = list(_examples(builder, name, split, columns))
    texts = [[_text(row[column]) for row in rows] for column in columns[:-1]]
    told = np.array([row[LABEL] for row in rows], np.float32 if answer == VALUE else np.int32)
    seconds = texts[1] if len(texts) > 1 else None
    return Texts(texts[0], seconds, {answer: told} if answer else {})


def _squad(name: str, config: DataConfig) -> Raw:
    builder = open_builder(name, config.path)
    columns = ("question", "context", "answers")
    splits = {"train": "train", "dev": "validation"}
    questions = {
        ours: [_question(row, f"tfds:{name}, {theirs}, example {number}")
               for number, row in enumerate(_examples(builder, name, theirs, columns))]
        for ours, theirs in splits.items()
    }  # fmt: skip
    return raw_of_questions(config, questions)


def _question(row: Any, where: str) -> Question:
    answers = row["answers"]
    return question_of(
        _text(row["question"]), _text(row["context"]), tuple(map(_text, answers["text"])),
        tuple(map(int, answers["answer_start"])), where,
    )  # fmt: skip


def _examples(
    builder: Any, name: str, split: str, columns: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the examples of a split."""
    if split not in builder.info.splits:
        raise InputError(
            f"tfds:{name} has the splits {sorted(builder.info.splits)}; expected train and {split}"
        )
    try:
        source = builder.as_data_source(split=split)
        for index in range(len(source)):
            row = source[index]
            yield {column: row[column] for column in columns}
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(
            f"{builder.data_path}: {split} cannot be read: {one_line(error)}; run rtickets data "
            f"prepare tfds:{name}"
        ) from None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
