"""Questions about texts that are longer than a row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.config import TextConfig
from rtickets.errors import InputError

pytest.importorskip("tokenizers")
from rtickets.data.text.windows import END, Question, _windows, alike, windows_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "?", "a", "b", "c", "##s", "e"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "vocab.txt"
    path.write_text("\n".join(WORDS))
    return lambda **more: TextConfig(tokenizer=str(path), **more)


def asked(context, answer, begin, *others):
    return Question("who?", context, (answer, *others), (begin,) * (1 + len(others)), "mine")


def read(found, row, first, last):
    """Return the text between two tokens of a window."""
    text = found["text"][row].tobytes()
    return text[found["begins"][row, first] : found["ends"][row, last]].decode()


def test_a_window_is_a_pair_and_knows_where_its_text_stands(config):
    found = windows_of(config(length=10), [asked("A b\u00e9, cs", "cs", 6, "c", "cs")])
    # Without its accent b\u00e9 is be, which is no token; nor is the comma.
    assert found["tokens"].tolist() == [[2, 5, 6, 3, 7, 1, 1, 9, 10, 3]]
    assert found["segment"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 1, 1]]
    assert found["readable"].tolist() == [[0, 0, 0, 0, 2, 2, 2, 2, 2, 0]]
    assert [read(found, 0, n, n) for n in (4, 5, 6, 7, 8)] == ["A", "b\u00e9", ",", "c", "s"]
    assert found["answers"][0].tobytes() == b"cs\xffc\xffcs\xff"


def test_an_accent_that_is_a_sign_of_its_own_belongs_to_the_letter_before_it(config):
    found = windows_of(config(length=10), [asked("a b c\u0301 a", "c\u0301", 4)])
    (first,), (last,) = found["first"], found["last"]
    assert read(found, 0, first, last) == "c\u0301"
    assert read(found, 0, 4, 7) == "a b c\u0301 a"


def test_answers_stand_in_some_windows_and_not_in_others(config):
    context = "a b c a b cs a b c"
    question = asked(context, "b cs", 8)
    found = windows_of(config(length=9, stride=2), [question])
    assert found["question"].tolist() == [0] * len(found["question"])
    for row, (first, last) in enumerate(zip(found["first"], found["last"], strict=True)):
        own = read(found, row, 4, 4 + (found["readable"][row] > 0).sum() - 1)
        assert (first > 0) == ("b cs" in own)
        if first:
            assert read(found, row, first, last) == "b cs"
    assert found["first"].any()
    assert not found["first"].all()


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 14))
def test_windows_hold_every_token_and_each_begins_answers_in_one(tokens, room, stride):
    windows = _windows(tokens, room, stride)
    starts = [each.start for each in windows]
    assert starts == [n * min(room, stride) for n in range(len(windows))]
    assert windows[-1].stop == tokens
    assert all(each.stop < tokens for each in windows[:-1])
    counts = np.zeros(tokens, int)
    for each in windows:
        assert 0 < each.stop - each.start <= room
        counts[each.start : each.stop] += each.best
        for place in np.flatnonzero(each.best):
            token = each.start + place
            own = min(place, each.stop - 1 - token)
            others = (min(token - o.start, o.stop - 1 - token) for o in windows
                      if o.start <= token < o.stop)  # fmt: skip
            assert own == max(others)
    assert (counts == 1).all()


@settings(max_examples=30)
@given(
    st.lists(
        st.sampled_from(["a", "b", "cs", "\u00fc\u00e9", "\U0001f600"]), min_size=1, max_size=12
    ),
    st.data(),
)
def test_what_is_marked_reads_as_the_answer(config, words, data):
    context = " ".join(words)
    one = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(st.integers(one, len(words) - 1))
    begin = len(" ".join([*words[:one], ""]))
    answer = " ".join(words[one : other + 1])
    found = windows_of(config(length=40), [asked(context, answer, begin)])
    assert len(found["question"]) == 1
    assert read(found, 0, int(found["first"][0]), int(found["last"][0])) == answer


def test_splits_get_texts_of_one_width(config):
    long, short = (windows_of(config(length=9), [asked(text, "a", 0)]) for text in ("a b c", "a"))
    found = alike({"train": short, "test": long})
    assert found["train"]["text"].shape == found["test"]["text"].shape == (1, 5)
    assert found["train"]["text"][0].tobytes() == b"a\0\0\0\0"
    assert found["train"]["answers"][0].tobytes() == bytes([ord("a"), END])


def test_what_cannot_be_asked_is_named(config):
    with pytest.raises(InputError, match=r"data.text.length=5.*2 tokens"):
        windows_of(config(length=5), [asked("a", "a", 0)])
    assert len(windows_of(config(length=5, question=1), [asked("a", "a", 0)])["tokens"]) == 1
    with pytest.raises(InputError, match=r"mine.*empty"):
        windows_of(config(length=9), [asked(" \t", " ", 0)])
    far = windows_of(config(length=9), [asked("a b c", "c", 2)])
    assert (far["first"].item(), far["last"].item()) == (0, 0)
