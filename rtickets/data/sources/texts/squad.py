"""Questions with answers in a text, as SQuAD 1.1 has them (Rajpurkar et al. 2016), in its JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.arrays import Raw, Split
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import notes_about, read_text
from rtickets.data.text.asked import SPAN
from rtickets.data.text.rows import rows_of
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import check_unicode
from rtickets.data.text.windows import Question, alike, windows_of
from rtickets.errors import InputError
from rtickets.models.bert import TOKENS

_NAMES = {"train": "train", "test": "test", "dev": "dev", "valid": "dev"}
_SEED = 0


def squad_of(config: DataConfig) -> Raw:
    """Return the questions of a file, or of train*.json and dev*.json of a folder."""
    hint = "SQuAD's train-v1.1.json, or a folder with it and dev-v1.1.json"
    root = existing(config.path, config.source, hint)
    paths = {"train": root} if root.is_file() else _in_folder(root)
    if "train" not in paths:
        raise InputError(f"data.path={config.path!r} holds no train*.json; expected {hint}")
    return raw_of_questions(config, {split: read_squad(path) for split, path in paths.items()})


def _in_folder(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.json")):
        split = next((_NAMES[name] for name in _NAMES if path.name.startswith(name)), None)
        if split is None:
            continue
        if split in found:
            raise InputError(
                f"{folder}: {found[split].name} and {path.name}; leave one of them, SQuAD 1.1's"
            )
        found[split] = path
    return found


def read_squad(path: Path) -> list[Question]:
    """Return the questions of a file."""
    try:
        whole = json.loads(read_text(path, "utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    found = list(_questions(whole, str(path)))
    if not found:
        raise InputError(f"{path}: holds no question")
    return found


def _questions(whole: Any, name: str) -> Iterator[Question]:
    for number, article in enumerate(_part(whole, "data", list, name), 1):
        where = f"{name}: article {number}"
        for paragraph in _part(article, "paragraphs", list, where):
            context = _part(paragraph, "context", str, where)
            for asked in _part(paragraph, "qas", list, where):
                own = f"{where}, question {str(_part(asked, 'id', str, where))[:40]!r}"
                yield _question(asked, context, own)


def _question(asked: Any, context: str, name: str) -> Question:
    if asked.get("is_impossible"):
        raise InputError(
            f"{name} has no answer, as in SQuAD 2.0; expected 1.1, where all have some"
        )
    answers = _part(asked, "answers", list, name)
    texts = tuple(_part(each, "text", str, name) for each in answers)
    begins = tuple(_part(each, "answer_start", int, name) for each in answers)
    return question_of(_part(asked, "question", str, name), context, texts, begins, name)


def question_of(
    question: str, context: str, answers: tuple[str, ...], begins: tuple[int, ...], name: str
) -> Question:
    """Return a question of its parts, which are checked."""
    if not answers or "" in answers:
        raise InputError(f"{name}: has no answer; expected SQuAD 1.1, where all have some")
    if min(begins) < 0:
        raise InputError(f"{name}: answer_start={min(begins)}; expected 0 or more")
    for text in (question, context, *answers):
        check_unicode(text, name)
        if "\0" in text:
            raise InputError(f"{name}: {text!r:.40} holds the sign of number 0; clean the file")
    return Question(question, context, answers, begins, name)


def _part(whole: Any, key: str, kind: type, name: str) -> Any:
    found = whole.get(key) if isinstance(whole, Mapping) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise InputError(
            f"{name}: {key!r} is {found!r:.40}, expected {kind.__name__}; is it SQuAD's JSON?"
        )
    return found


def raw_of_questions(config: DataConfig, splits: Mapping[str, Sequence[Question]]) -> Raw:
    """Return questions as windows.

    Those of `dev` are for testing, unless there is `test` as well. What is held out of `train` is
    held out by texts, so that no text is on both sides.
    """
    parts, notes = {split: list(each) for split, each in splits.items()}, []
    if "dev" in parts:
        parts["validation" if "test" in parts else "test"] = parts.pop("dev")
    whole = parts["train"]
    parts["train"] = [each for each in whole if each.is_found]
    if lost := len(whole) - len(parts["train"]):
        notes.append(
            f"{lost:,} of {len(whole):,} training questions are left out: their answers do not "
            "stand where the file says"
        )
    if not parts["train"]:
        raise InputError(
            f"{whole[0].name}, and all others for training: the answer does not stand where the "
            "file says; expected SQuAD 1.1, whose answer_start counts characters of the text"
        )
    held_out = {"test": config.test_fraction, "validation": config.validation_fraction}
    for split, fraction in held_out.items():
        if split not in parts:
            name = f"data.{split}_fraction={fraction}"
            parts["train"], parts[split] = _held_out(parts["train"], fraction, name)
    settings = config.text or TextConfig()
    if settings.pack or getattr(config.task, "answer", SPAN) != SPAN:
        made = {split: _texts_alone(settings, each) for split, each in parts.items()}
    else:
        made = alike({split: windows_of(settings, each) for split, each in parts.items()})
        windows = len(made["train"][TOKENS])
        notes.append(f"{len(parts['train']):,} training questions in {windows:,} windows")
        if none := _without_answer(made["train"]):
            notes.append(
                f"of {none:,} of them no window holds the whole answer, so that none is learnt; "
                "set data.text.length higher, or data.text.stride lower"
            )
    found = {split: Split(arrays) for split, arrays in made.items()}
    notes += notes_about(settings, list(found.values()))
    return Raw(found["train"], found["test"], (), found["validation"], notes=tuple(notes))


def _without_answer(windows: Mapping[str, np.ndarray]) -> int:
    """Return of how many questions no window has the answer."""
    answered = np.unique(windows["question"][windows["last"] > 0])
    return len(np.unique(windows["question"])) - len(answered)


def _held_out(
    questions: Sequence[Question], fraction: float, name: str
) -> tuple[list[Question], list[Question]]:
    """Return questions of most texts, and those of a part of the texts, in their order."""
    texts = list(dict.fromkeys(each.context for each in questions))
    count = round(fraction * len(texts))
    if not 0 < count < len(texts):
        raise InputError(
            f"{name} of {len(texts)} texts leaves one side empty; choose another, or take more"
        )
    drawn = np.random.default_rng(_SEED).permutation(len(texts))[:count]
    held = {texts[index] for index in drawn}
    return (
        [each for each in questions if each.context not in held],
        [each for each in questions if each.context in held],
    )


def _texts_alone(settings: TextConfig, questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """Return rows of the texts, for tasks that ask nothing about them."""
    return rows_of(settings, list(dict.fromkeys(each.context for each in questions)))
