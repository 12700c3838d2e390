"""Texts as rows: marks, pairs, what is cut off, packing; vocabularies of files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.config import TextConfig
from rtickets.data.text.rows import _cut, _packed, rows_of
from rtickets.errors import InputError

pytest.importorskip("tokenizers")
from rtickets.data.text import tokenizers as ours

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "mat"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS))
    return lambda **more: TextConfig(tokenizer=str(path), **more)


def test_a_row_has_marks_and_padding(config):
    rows = rows_of(config(length=8), ["The cats SAT", "on the mat"])
    assert rows["tokens"].tolist() == [[2, 5, 6, 8, 7, 3, 0, 0], [2, 1, 5, 9, 3, 0, 0, 0]]
    assert rows["part"].tolist() == [[1] * 6 + [0] * 2, [1] * 5 + [0] * 3]
    assert not rows["segment"].any()
    assert {each.dtype for each in rows.values()} == {np.dtype("int32"), np.dtype("uint8")}


def test_case_is_kept_where_it_is_asked_for(config):
    rows = rows_of(config(length=4, lowercase=False), ["The cat"])
    assert rows["tokens"].tolist() == [[2, 1, 6, 3]]


def test_pairs_are_two_sentences_of_a_text(config):
    rows = rows_of(
        config(length=9),
        ["the cat"],
        [
            "sat",
        ],
    )
    assert rows["tokens"].tolist() == [[2, 5, 6, 3, 7, 3, 0, 0, 0]]
    assert rows["segment"].tolist() == [[0, 0, 0, 0, 1, 1, 0, 0, 0]]
    assert rows["part"].tolist() == [[1] * 6 + [0] * 3]


@given(st.integers(0, 20), st.integers(0, 20), st.integers(4, 24))
def test_the_longer_sentence_is_cut_off_first(one, other, length):
    first, second = _cut([list(range(one)), list(range(other))], length)
    room = length - 3
    assert len(first) + len(second) == min(one + other, room)
    # By the definition: take away from the longer one, of two alike from the second.
    expected = [one, other]
    while sum(expected) > room:
        expected[0 if expected[0] > expected[1] else 1] -= 1
    assert [len(first), len(second)] == expected
    assert first == list(range(len(first)))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(4, 16))
def test_packing_loses_nothing_and_keeps_the_order(lengths, length):
    texts = [[number] * each for number, each in enumerate(lengths)]
    rows = list(_packed(length, [[text] for text in texts]))
    pieces = [piece for row in rows for (piece,) in row]
    read = [token for piece in pieces for token in piece]
    assert read == [token for text in texts for token in text]
    for row in rows:
        assert 0 < sum(len(piece) + 2 for (piece,) in row) <= length


def test_packed_rows_hold_several_texts(config):
    rows = rows_of(config(length=8, pack=True), ["the cat", "sat", "the mat sat"])
    assert rows["tokens"].tolist() == [[2, 5, 6, 3, 2, 7, 3, 0], [2, 5, 9, 7, 3, 0, 0, 0]]
    assert rows["part"].tolist() == [[1, 1, 1, 1, 2, 2, 2, 0], [1] * 5 + [0] * 3]


def test_packed_pairs_keep_both_sentences(config):
    rows = rows_of(config(length=9, pack=True), ["the cat", "sat", "the cat sat on"], ["mat"] * 3)
    assert rows["tokens"].tolist() == [
        [2, 5, 6, 3, 9, 3, 0, 0, 0], [2, 7, 3, 9, 3, 0, 0, 0, 0], [2, 5, 6, 7, 1, 3, 9, 3, 0],
    ]  # fmt: skip
    assert rows["segment"][0].tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0]
    rows = rows_of(config(length=10, pack=True), ["the", "sat"], ["mat", "cat"])
    assert rows["part"].tolist() == [[1] * 5 + [2] * 5]


def test_a_vocabulary_is_known_by_what_is_done_to_texts_too(config, tmp_path):
    cased = ours.vocabulary_of(config(lowercase=False))
    assert cased.digest != ours.vocabulary_of(config()).digest
    path = tmp_path / "tokenizer.json"
    ours.word_pieces(WORDS, False).save(str(path))
    assert ours.vocabulary_of(TextConfig(tokenizer=str(path))) == cased


def test_the_digest_of_a_usual_vocabulary_stays_what_it_was():
    assert ours.vocabulary_of(TextConfig()).digest == "934fdba89b98a5c5"


def test_a_mark_that_stands_in_a_text_is_text_for_every_kind_of_file(config, tmp_path):
    tokenizer, path = ours.word_pieces(WORDS, True), tmp_path / "tokenizer.json"
    tokenizer.add_special_tokens(["[SEP]"])
    tokenizer.save(str(path))
    texts = ["the [SEP] cat"]
    expected = rows_of(config(length=8), texts)["tokens"].tolist()
    assert rows_of(TextConfig(str(path), length=8), texts)["tokens"].tolist() == expected
    assert expected[0].count(3) == 1


def test_tokens_that_are_never_read_are_said(config, tmp_path):
    assert not ours.never_read(config())
    path = tmp_path / "cased.txt"
    path.write_text("\n".join([*WORDS, "The"]))
    (line,) = ours.never_read(TextConfig(str(path)))
    assert "'The'" in line
    assert "lowercase=False" in line
    assert not ours.never_read(TextConfig(str(path), lowercase=False))


def test_a_vocabulary_is_known_by_its_tokens(config, tmp_path):
    known = ours.vocabulary_of(config())
    assert known.special == (0, 2, 3, 4)
    assert (known.size, known.unknown) == (10, 1)
    whole = tmp_path / "tokenizer.json"
    tokenizer = ours.word_pieces(WORDS, True)
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=40)
    tokenizer.save(str(whole))
    assert ours.vocabulary_of(TextConfig(tokenizer=str(whole))) == known
    rows = [
        rows_of(each, ["the cats sat, the mats"])["tokens"].tolist()
        for each in (config(), TextConfig(tokenizer=str(whole)))
    ]
    assert rows[0] == rows[1]
    (tmp_path / "other.txt").write_text("\n".join([*WORDS, "dog"]))
    other = ours.vocabulary_of(TextConfig(tokenizer=str(tmp_path / "other.txt")))
    assert other.digest != known.digest


def test_tokens_of_a_vocabulary_may_be_signs_that_end_lines_elsewhere(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*WORDS, "\u2028", "\x85", "last"]) + "\n", "utf-8")
    assert ours.open_tokenizer(TextConfig(tokenizer=str(path))).token_to_id("last") == 12


def test_the_bundled_vocabulary_reads_glosses():
    known = ours.vocabulary_of(TextConfig())
    assert known.size == 4096
    rows = rows_of(TextConfig(length=32), ["an entity that has physical existence"])
    assert known.unknown not in rows["tokens"]
    assert rows["part"].sum() < 14


def test_training_counts_word_pieces():
    words = ours.train(["low lower lowest", "new newer newest"] * 3, 30)
    assert words[:5] == list(ours.SPECIAL)
    assert len(words) <= 30
    assert any(word.startswith("##") for word in words)
    assert words[5:] == sorted(words[5:])
    assert "low" in words


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe", ("hidden", "[MASK]")),
        ("vocab.txt", "\n".join([*WORDS, "cat"]), ("'cat'", "twice")),
        ("tokenizer.json", json.dumps({"model": 3}), ("tokenizer.json", "read")),
        ("tokenizer.json", "{", ("tokenizer.json", "read")),
    ],
)
def test_what_is_no_tokenizer_is_refused(tmp_path, name, text, named):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        ours.vocabulary_of(TextConfig(tokenizer=str(tmp_path / name)))
    assert all(each in str(caught.value) for each in named)


def whole_tokenizer(unknown, last):
    vocabulary = {word: number for number, word in enumerate(WORDS)} | {"last": last}
    kind = {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##"}
    model = {**kind, "max_input_chars_per_word": 100, "vocab": vocabulary}
    return json.dumps({"version": "1.0", "added_tokens": [], "model": model})


@pytest.mark.parametrize(
    ("unknown", "last", "named"),
    [("nope", 10, ("cannot read its texts", "UNK")), ("[UNK]", 4_000_000_000, ("'last'", "4,000"))],
)
def test_what_a_tokenizer_lacks_is_said(tmp_path, unknown, last, named):
    path = tmp_path / "tokenizer.json"
    path.write_text(whole_tokenizer(unknown, last))
    with pytest.raises(InputError) as caught:
        rows_of(TextConfig(tokenizer=str(path)), ["strange"])
    assert all(each in str(caught.value) for each in named)


def test_a_mark_of_byte_order_before_a_vocabulary_is_none_of_its_tokens(config, tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(WORDS).encode())
    assert ours.vocabulary_of(TextConfig(tokenizer=str(path))) == ours.vocabulary_of(config())


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer.*nowhere.*glosses"):
        ours.open_tokenizer(TextConfig(tokenizer=str(tmp_path / "nowhere.json")))


def test_a_tokenizer_that_makes_its_library_panic_is_refused(tmp_path, capfd):
    made = json.loads(ours.word_pieces(WORDS, True).to_str())
    made["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(InputError, match="cannot be read as a tokenizer"):
        rows_of(TextConfig(tokenizer=str(tmp_path / "tokenizer.json")), ["the cat"])
    capfd.readouterr()  # the panic is told there


def test_being_asked_to_stop_is_no_fault_of_a_tokenizer():
    class Stopping:
        def encode_batch(self, *_, **__):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ours.encoded(Stopping(), ["the cat"])
