"""Questions about texts as rows: [start] question [end] a part of the text [end].

A text that is longer than a row is read in windows, each `stride` tokens after the one before it.
A token that lies in several has the most on its shorter side in one of them, where an answer may
begin with it (Devlin et al. 2019, appendix, and their code).

Arrays of a window, besides those of its row, where T is its part of the text, in UTF-8:

    question  int32, the number of its question in the split
    first, last  int32, where the first answer begins and its last token; 0, 0 if it is not in it
    readable  uint8 (L,), 0 outside T, 1 in it, 2 where an answer may begin
    begins, ends  uint16 (L,), the bytes of T that a token stands for
    text      uint8 (C,), T, and zeros
    answers   uint8 (A,), all answers that are right, each before an `END`, and further `END`s
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.text.rows import arrays_of
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import Vocabulary, encoded, open_tokenizer, vocabulary_of
from rtickets.errors import InputError

END = 255  # no byte of UTF-8
MOST_BYTES = 65_535  # of a window, whose places are counted in two bytes
TEXT, ANSWERS = "text", "answers"
Span = tuple[int, int]


class Question(NamedTuple):
    """A question about a text.

    Attributes:
        question: it.
        context: the text.
        answers: what is right, each as it stands in the text.
        begins: the character of the text that each begins at.
        name: what errors call it.
    """

    question: str
    context: str
    answers: tuple[str, ...]
    begins: tuple[int, ...]
    name: str

    @property
    def is_found(self) -> bool:
        """Whether the first answer stands where it is said to."""
        return self.context.startswith(self.answers[0], self.begins[0])


class _Window(NamedTuple):
    """A part of a text: which tokens, and in which of them an answer may begin."""

    start: int
    stop: int
    best: np.ndarray


def windows_of(config: TextConfig, questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """Return the windows of questions, see the head of this file.

    Raises:
        InputError: if a text has no token, or a row no room for one.
    """
    tokenizer, vocabulary = open_tokenizer(config), vocabulary_of(config)
    contexts = list(dict.fromkeys(each.context for each in questions))
    known = dict(zip(contexts, encoded(tokenizer, contexts), strict=True))
    asked = encoded(tokenizer, [each.question for each in questions])
    parts = [
        row
        for number, (question, own) in enumerate(zip(questions, asked, strict=True))
        for row in _rows(config, vocabulary, number, question, own, known[question.context])
    ]
    rows = arrays_of(config, vocabulary, [[each.pop("pieces")] for each in parts])
    found = {name: [each[name] for each in parts] for name in parts[0]}
    return {
        **rows,
        **{name: np.array(found[name], np.int32) for name in ("question", "first", "last")},
        "readable": np.array(found["readable"], np.uint8),
        **{name: np.array(found[name], np.uint16) for name in ("begins", "ends")},
        TEXT: _bytes(found[TEXT], 0),
        ANSWERS: _bytes(found[ANSWERS], END),
    }


def alike(splits: Mapping[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """Return the windows of several splits with texts and answers of one width."""
    found = {split: dict(arrays) for split, arrays in splits.items()}
    for name, fill in ((TEXT, 0), (ANSWERS, END)):
        width = max(arrays[name].shape[1] for arrays in found.values())
        for arrays in found.values():
            missing = width - arrays[name].shape[1]
            arrays[name] = np.pad(arrays[name], ((0, 0), (0, missing)), constant_values=fill)
    return found


def _rows(
    config: TextConfig, vocabulary: Vocabulary, number: int, about: Question, asked: Any, text: Any
) -> Iterator[dict[str, Any]]:
    """Yield the windows of a question, as lists."""
    own = asked.ids[: config.question]
    room = config.length - len(own) - 3
    if room < 1:
        raise InputError(
            f"data.text.length={config.length} leaves no room for a text beside a question of "
            f"{len(own)} tokens; set it higher, or data.text.question lower"
        )
    if not text.ids:
        raise InputError(f"{about.name}: its text is empty; leave it out")
    places = _with_marks(about.context, text.offsets)
    span = _tokens_of(about, places)
    answers = "\0".join(about.answers).encode().replace(b"\0", bytes([END])) + bytes([END])
    shift = 2 + len(own)
    for window in _windows(len(text.ids), room, config.stride):
        begin, end = places[window.start][0], places[window.stop - 1][1]
        bytes_of = _byte_places(about.context[begin:end], about.name)
        there = np.s_[shift : shift + window.stop - window.start]
        readable, begins, ends = (np.zeros(config.length, np.int64) for _ in range(3))
        readable[there] = 1 + window.best
        offsets = np.array(places[window.start : window.stop]) - begin
        begins[there], ends[there] = bytes_of[offsets[:, 0]], bytes_of[offsets[:, 1]]
        first, last = _inside(span, window, shift)
        yield {
            "pieces": [own, text.ids[window.start : window.stop]],
            "question": number, "first": first, "last": last,
            "readable": readable, "begins": begins, "ends": ends,
            TEXT: about.context[begin:end].encode(), ANSWERS: answers,
        }  # fmt: skip


def _with_marks(text: str, offsets: Sequence[Span]) -> Sequence[Span]:
    """Return places of tokens with the accents that follow their last letter as signs of their own.

    A tokenizer that takes accents away ends a token before them, and an answer would lose its last.
    """
    if text.isascii():
        return offsets
    found = []
    for low, high in offsets:
        end = high
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        found.append((low, end))
    return found


def _windows(tokens: int, room: int, stride: int) -> list[_Window]:
    """Return the windows of a text."""
    starts = [0]
    while starts[-1] + room < tokens:
        starts.append(starts[-1] + min(room, stride))
    spans = [(start, min(start + room, tokens)) for start in starts]
    scores = np.full((len(spans), tokens), -1.0)
    for row, (start, stop) in enumerate(spans):
        place = np.arange(stop - start)
        shorter = np.minimum(place, stop - start - 1 - place)
        scores[row, start:stop] = shorter + 0.01 * (stop - start)
    best = scores.argmax(0)
    return [
        _Window(start, stop, best[start:stop] == row) for row, (start, stop) in enumerate(spans)
    ]


def _tokens_of(about: Question, offsets: Sequence[Span]) -> Span | None:
    """Return the first and the last token of the first answer, None if it is not there."""
    begin = about.begins[0]
    end = begin + len(about.answers[0])
    inside = [n for n, (low, high) in enumerate(offsets) if high > begin and low < end]
    return (inside[0], inside[-1]) if inside and about.is_found else None


def _inside(span: Span | None, window: _Window, shift: int) -> Span:
    """Return where an answer stands in the row of a window, (0, 0) if it is not whole there."""
    if span is None or span[0] < window.start or span[1] >= window.stop:
        return 0, 0
    return span[0] - window.start + shift, span[1] - window.start + shift


def _byte_places(text: str, name: str) -> np.ndarray:
    """Return at which byte of a text every character begins, and its end."""
    sizes = [len(character.encode()) for character in text]
    places = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if places[-1] > MOST_BYTES:
        raise InputError(
            f"{name}: a window of its text has {places[-1]:,} bytes; expected at most "
            f"{MOST_BYTES:,}: it is no text, or take a lower data.text.length"
        )
    return places


def _bytes(texts: Sequence[bytes], fill: int) -> np.ndarray:
    found = np.full((len(texts), max(map(len, texts))), fill, np.uint8)
    for row, text in zip(found, texts, strict=True):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return found
