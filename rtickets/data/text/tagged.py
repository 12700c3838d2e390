"""Words with tags as rows: a tag stands at the first token of its word, and nowhere else."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.text.rows import Pieces, arrays_of
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import encoded, open_tokenizer, vocabulary_of

NOTHING = -1  # the tag of tokens that are not asked


class TaggedRows(NamedTuple):
    """Rows of words with tags.

    Attributes:
        arrays: see `rtickets.data.text.rows.rows_of`.
        tags: int32 (N, L), `NOTHING` where no word begins.
        cut: how many words were cut off.
    """

    arrays: dict[str, np.ndarray]
    tags: np.ndarray
    cut: int


def tagged_rows(
    config: TextConfig, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[int]]
) -> TaggedRows:
    """Return the rows of sentences.

    Words without a token of their own, as of signs that a tokenizer drops, are the unknown token,
    so that all are asked.

    Args:
        config: the settings.
        sentences: words.
        tags: the number of the tag of every word.
    """
    tokenizer, vocabulary = open_tokenizer(config), vocabulary_of(config)
    found = encoded(tokenizer, [list(words) for words in sentences], is_pretokenized=True)
    room, cut = config.length - 2, 0
    rows: list[list[Pieces]] = []
    asked = np.full((len(sentences), config.length), NOTHING, np.int32)
    for index, (one, own) in enumerate(zip(found, tags, strict=True)):
        row: list[int] = []
        for number, (pieces, tag) in enumerate(
            zip(_by_word(one, len(own), vocabulary.unknown), own, strict=True)
        ):
            if len(row) >= room:
                cut += len(own) - number
                break
            asked[index, 1 + len(row)] = tag
            row += pieces
        rows.append([[row[:room]]])
    return TaggedRows(arrays_of(config, vocabulary, rows), asked, cut)


def _by_word(found: Any, words: int, unknown: int) -> Iterator[list[int]]:
    """Yield the tokens of every word."""
    pieces: list[list[int]] = [[] for _ in range(words)]
    for token, word in zip(found.ids, found.word_ids, strict=True):
        pieces[word].append(token)
    yield from (each or [unknown] for each in pieces)
