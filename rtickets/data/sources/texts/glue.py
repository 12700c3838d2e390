"""The nine tasks of GLUE (Wang et al. 2019), from their original files or TensorFlow Datasets.

The labels of their test sets are not public, so that `dev` is for testing, and what choices are
made on is held out of `train`. Measures are those of GLUE: Matthews' correlation of CoLA, Pearson's
of STS-B, which comes with Spearman's, and accuracy, which comes with F1, of the others.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtickets.data.arrays import LABEL, Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import Texts, lines_in, raw_of, read_text
from rtickets.data.task_settings import TaskConfig
from rtickets.data.text.asked import VALUE, JudgedTextClasses, TextNumbers
from rtickets.errors import InputError

_ODD = 0.1  # part of the rows of a file that may have another number of columns


class Glue(NamedTuple):
    """A task of GLUE.

    Attributes:
        folder: what its folder is called.
        columns: of its one or two texts.
        label: the column of the label.
        classes: names of the classes by what the files call them; {} of numbers.
        task: what is asked.
        tfds: what TensorFlow Datasets calls it, and its texts.
        header: the columns of files whose first row does not name them.
        test: the file that is for testing.
    """

    folder: str
    columns: tuple[str, ...]
    label: str
    classes: Mapping[str, str]
    task: TaskConfig
    tfds: tuple[str, ...]
    header: tuple[str, ...] = ()
    test: str = "dev"


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _numbered(*names: str) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}


ACCURACY = JudgedTextClasses()
SENTENCES = ("sentence1", "sentence2")
ENTAILED = _same("entailment", "not_entailment")
MNLI = Glue(
    "MNLI", SENTENCES, "gold_label", _same("entailment", "neutral", "contradiction"), ACCURACY,
    ("mnli", "premise", "hypothesis"), test="dev_matched",
)  # fmt: skip
GLUE: dict[str, Glue] = {
    "glue_cola": Glue(
        "CoLA", ("sentence",), "label", _numbered("unacceptable", "acceptable"),
        JudgedTextClasses(metric="matthews"), ("cola", "sentence"),
        header=("source", "label", "mark", "sentence"),
    ),
    "glue_sst2": Glue(
        "SST-2", ("sentence",), "label", _numbered("negative", "positive"), ACCURACY,
        ("sst2", "sentence"),
    ),
    "glue_mrpc": Glue(
        "MRPC", ("#1 String", "#2 String"), "Quality", _numbered("not_equivalent", "equivalent"),
        ACCURACY, ("mrpc", *SENTENCES),
    ),
    "glue_stsb": Glue("STS-B", SENTENCES, "score", {}, TextNumbers(), ("stsb", *SENTENCES)),
    "glue_qqp": Glue(
        "QQP", ("question1", "question2"), "is_duplicate",
        _numbered("not_duplicate", "duplicate"), ACCURACY, ("qqp", "question1", "question2"),
    ),
    "glue_mnli": MNLI,
    "glue_mnli_mismatched": MNLI._replace(test="dev_mismatched"),
    "glue_qnli": Glue(
        "QNLI", ("question", "sentence"), "label", ENTAILED, ACCURACY,
        ("qnli", "question", "sentence"),
    ),
    "glue_rte": Glue("RTE", SENTENCES, "label", ENTAILED, ACCURACY, ("rte", *SENTENCES)),
    "glue_wnli": Glue(
        "WNLI", SENTENCES, "label", _numbered("not_entailment", "entailment"), ACCURACY,
        ("wnli", *SENTENCES),
    ),
}  # fmt: skip


def folder_of(glue: Glue, path: Path) -> Path:
    """Return the folder of a task, which is the path or lies in it."""
    return path / glue.folder if (path / glue.folder).is_dir() else path


def glue_files(glue: Glue, config: DataConfig) -> tuple[Path, ...] | None:
    """Return the files that identify a task."""
    if config.path is None:
        return None
    folder = folder_of(glue, Path(config.path))
    return (folder / "train.tsv", folder / f"{glue.test}.tsv")


def glue_of(glue: Glue, config: DataConfig) -> Raw:
    """Return a task's train.tsv, and its dev.tsv for testing."""
    hint = f"GLUE's folder {glue.folder} with train.tsv and {glue.test}.tsv, or the one it lies in"
    folder = folder_of(glue, existing(config.path, config.source, hint))
    paths = folder / "train.tsv", folder / f"{glue.test}.tsv"
    if missing := [path for path in paths if not path.is_file()]:
        raise InputError(f"{missing[0]} is missing; expected {hint}")
    notes: list[str] = []
    train, test = (_texts(glue, config, path, notes) for path in paths)
    raw = raw_of(config, train, test, class_names=tuple(glue.classes.values()))
    return raw._replace(notes=(*notes, *raw.notes))


def _texts(glue: Glue, config: DataConfig, path: Path, notes: list[str]) -> Texts:
    rows = list(_rows(glue, path, notes))
    if not rows:
        raise InputError(f"{path}: holds no row")
    texts = [[row[column] for _, row in rows] for column in glue.columns]
    told = [(f"{path}: line {number}", row[glue.label]) for number, row in rows]
    return texts_of(glue, config, texts, told)


def texts_of(
    glue: Glue, config: DataConfig, texts: Sequence[Sequence[str]], told: Sequence[tuple[str, str]]
) -> Texts:
    """Return texts with what is told of them.

    Args:
        glue: the task.
        config: says which task is asked.
        texts: the first of every row, and the second where they are pairs.
        told: where each label stands, and the label.
    """
    seconds = texts[1] if len(texts) > 1 else None
    answer = answer_of(glue, config)
    if not answer:
        return Texts(texts[0], seconds)
    if answer == VALUE:
        return Texts(texts[0], seconds, {VALUE: np.array(list(_numbers(told)), np.float32)})
    return Texts(texts[0], seconds, {LABEL: np.array(list(_labels(glue, told)), np.int32)})


def answer_of(glue: Glue, config: DataConfig) -> str:
    """Return which array of answers is asked, '' for none, as of masked tokens."""
    usual = VALUE if isinstance(glue.task, TextNumbers) else LABEL
    if config.task is None:
        return usual
    answer = str(getattr(config.task, "answer", LABEL))
    if answer not in ("", usual):
        raise InputError(
            f"source={config.source!r} has {'numbers' if usual == VALUE else 'classes'}, and not "
            f"what the task {config.task.name!r} asks; leave data.task out"
        )
    return answer


def _labels(glue: Glue, told: Sequence[tuple[str, str]]) -> Iterator[int]:
    numbers = {label: number for number, label in enumerate(glue.classes)}
    for where, label in told:
        if label not in numbers:
            raise InputError(
                f"{where}: the label {label!r:.40} is none of {', '.join(numbers)} of {glue.folder}"
            )
        yield numbers[label]


def _numbers(told: Sequence[tuple[str, str]]) -> Iterator[float]:
    for where, label in told:
        try:
            value = float(label)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{where}: the label {label!r:.40} is no number")
        yield value


def _rows(glue: Glue, path: Path, notes: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a file by their lines; quotes are characters as others, as published.

    Some of the published rows lack columns; they are left out, as by everybody.
    """
    lines = [(number, line) for number, line in lines_in(read_text(path, "utf-8-sig")) if line]
    if not lines:
        raise InputError(f"{path}: is empty")
    header = glue.header or tuple(lines[0][1].split("\t"))
    if missing := [name for name in (*glue.columns, glue.label) if name not in header]:
        raise InputError(
            f"{path}: its columns are {', '.join(header):.200}; {missing[0]!r} is missing: is it "
            f"{path.name} of {glue.folder}?"
        )
    rows = lines if glue.header else lines[1:]
    cells = [(number, line.split("\t")) for number, line in rows]
    whole = [(number, dict(zip(header, row, strict=True))) for number, row in cells
             if len(row) == len(header)]  # fmt: skip
    if odd := [number for number, row in cells if len(row) != len(header)]:
        said = f"{len(odd):,} of {len(rows):,} rows have other columns than the {len(header)}"
        if len(odd) > _ODD * len(rows):
            raise InputError(f"{path}: {said} of {glue.folder}, as line {odd[0]}")
        notes.append(f"{path.name}: {said} that are named, as line {odd[0]}; they are left out")
    yield from whole
