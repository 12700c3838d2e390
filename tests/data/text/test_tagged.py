"""Words with tags as rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.config import TextConfig

pytest.importorskip("tokenizers")
from rtickets.data.text.tagged import NOTHING, tagged_rows

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "mat"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "vocab.txt"
    path.write_text("\n".join(WORDS))
    return lambda length: TextConfig(tokenizer=str(path), length=length)


def test_a_tag_stands_at_the_first_token_of_its_word(config):
    made = tagged_rows(config(9), [["The", "cats", "SAT"], ["cat"]], [[0, 1, 2], [3]])
    assert made.arrays["tokens"].tolist() == [[2, 5, 6, 8, 7, 3, 0, 0, 0], [2, 6, 3] + [0] * 6]
    assert made.tags.tolist() == [[-1, 0, 1, -1, 2, -1, -1, -1, -1], [-1, 3] + [-1] * 7]
    assert made.cut == 0


def test_words_without_a_token_are_unknown_and_asked(config):
    made = tagged_rows(config(8), [["the", "\u200b", "", "mat"]], [[1, 2, 3, 4]])
    assert made.arrays["tokens"][0, :6].tolist() == [2, 5, 1, 1, 9, 3]
    assert made.tags[0, :6].tolist() == [-1, 1, 2, 3, 4, -1]


@given(
    st.lists(st.sampled_from(["cat", "cats", "matss"]), min_size=1, max_size=9), st.integers(4, 12)
)
def test_what_is_cut_off_is_counted(config, words, length):
    made = tagged_rows(config(length), [words], [list(range(len(words)))])
    asked = made.tags[made.tags != NOTHING]
    np.testing.assert_array_equal(asked, np.arange(len(words) - made.cut))
    sizes = np.cumsum([0, *(len(word) - 2 for word in words)])[:-1]
    assert made.cut == (sizes >= length - 2).sum()
    (places,) = np.nonzero(made.tags[0] != NOTHING)
    np.testing.assert_array_equal(places, 1 + sizes[: len(places)])
    assert made.arrays["tokens"][0, made.arrays["part"][0].sum() - 1] == 3
