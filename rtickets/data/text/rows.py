"""Texts as rows: arrays `tokens`, `part` and `segment`, as `rtickets.models.bert` has them.

A row of one text is [start] text [end] and padding, of a pair [start] first [end] second [end].
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import Vocabulary, encoded, open_tokenizer, vocabulary_of
from rtickets.errors import InputError
from rtickets.models.bert import PART, SEGMENT, TOKENS

_MOST_PARTS = 255  # texts of a row, which are counted in a byte
Pieces = list[Sequence[int]]  # tokens of the one or two sentences of a text


def rows_of(
    config: TextConfig, texts: Sequence[str], seconds: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the rows of texts, one of each, or of as many as fit where they are packed.

    Args:
        config: the settings.
        texts: the texts.
        seconds: what belongs to each, None where they are single.

    Returns:
        `tokens`, int32 (N, L); `part` and `segment`, uint8 likewise.
    """
    tokenizer, vocabulary = open_tokenizer(config), vocabulary_of(config)
    pairs: list[Pieces] = [[each] for each in _encoded(tokenizer, texts)]
    if seconds is not None:
        for pair, second in zip(pairs, _encoded(tokenizer, seconds), strict=True):
            pair.append(second)
    if config.pack:
        return arrays_of(config, vocabulary, list(_packed(config.length, pairs)))
    return arrays_of(config, vocabulary, [[_cut(pair, config.length)] for pair in pairs])


def _encoded(tokenizer: Any, texts: Sequence[str]) -> list[Sequence[int]]:
    return [each.ids for each in encoded(tokenizer, texts)]


def _cut(pieces: Pieces, length: int) -> Pieces:
    """Cut off the end of the longer sentence, token by token, until a text fits into a row."""
    room = length - 1 - len(pieces)
    if len(pieces) == 1:
        return [pieces[0][:room]]
    one, other = map(len, pieces)
    if one + other > room:
        half = room // 2
        if min(one, other) > half:
            one, other = room - half, half
        else:
            one, other = min(one, room - min(other, half)), min(other, room - min(one, half))
    return [pieces[0][:one], pieces[1][:other]]


def _packed(length: int, texts: Sequence[Pieces]) -> Iterator[list[Pieces]]:
    """Yield the texts of every row, in order.

    Single ones that are too long are cut into several, pairs as they are in rows of their own.
    """
    row: list[Pieces] = []
    room = length
    for text in texts:
        for pieces in _fitting(length, text):
            size = sum(map(len, pieces)) + 1 + len(pieces)
            if size > room or len(row) == _MOST_PARTS:
                yield row
                row, room = [], length
            row.append(pieces)
            room -= size
    if row:
        yield row


def _fitting(length: int, text: Pieces) -> Iterator[Pieces]:
    if len(text) > 1:
        yield _cut(text, length)
        return
    most = length - 2
    for start in range(0, max(len(text[0]), 1), most):
        yield [text[0][start : start + most]]


def arrays_of(
    config: TextConfig, vocabulary: Vocabulary, rows: Sequence[list[Pieces]]
) -> dict[str, np.ndarray]:
    """Return rows of texts, each of its pieces, as arrays; see `rows_of`."""
    tokens = np.full((len(rows), config.length), vocabulary.padding, np.int32)
    part, segment = np.zeros(tokens.shape, np.uint8), np.zeros(tokens.shape, np.uint8)
    for index, row in enumerate(rows):
        place = 0
        for number, pieces in enumerate(row, 1):
            text, kinds = [vocabulary.start], [0]
            for kind, piece in enumerate(pieces):
                text += [*piece, vocabulary.end]
                kinds += [kind] * (len(piece) + 1)
            there = np.s_[index, place : place + len(text)]
            tokens[there], part[there], segment[there] = text, number, kinds
            place += len(text)
            if place > config.length:
                raise InputError(
                    f"data.text.length={config.length} leaves no room for a text; set it higher"
                )
    return {TOKENS: tokens, PART: part, SEGMENT: segment}


def cut_off(config: TextConfig, rows: dict[str, np.ndarray]) -> int:
    """Return how many rows are full, so that something of their text may have been cut off."""
    return 0 if config.pack else int((rows[PART][:, -1] > 0).sum())
