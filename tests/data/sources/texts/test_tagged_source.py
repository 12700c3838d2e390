"""Words with tags, from files of columns and JSON lines."""

import json

import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.data.sources.texts.tagged import read_sentences, tag_names
from rtickets.errors import InputError
from rtickets.tasks import MaskedTokens, TokenClassification, task_of

pytest.importorskip("tokenizers")

TEXT = TextConfig(length=16)
CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""
SENTENCES = [
    (("EU", "rejects", "German"), ("B-ORG", "O", "B-MISC")),
    (("Peter", "Blackburn"), ("B-PER", "I-PER")),
]


def write(folder, name="train.conll", text=CONLL):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@pytest.mark.parametrize(
    "change", ["", "crlf", "bom", "tabs", "many lines", "no last line", "spaces"]
)
def test_columns_are_read_however_they_come(tmp_path, change):
    text = {
        "crlf": CONLL.replace("\n", "\r\n"), "bom": "\ufeff" + CONLL,
        "tabs": CONLL.replace(" ", "\t"), "many lines": CONLL.replace("\n\n", "\n\n \t\n\n"),
        "no last line": CONLL.rstrip("\n"), "spaces": CONLL.replace(" ", "   "),
    }.get(change, CONLL)  # fmt: skip
    assert list(read_sentences(write(tmp_path, text=text), TEXT)) == SENTENCES


def test_a_column_of_tags_is_chosen_by_its_number(tmp_path):
    parts = TextConfig(length=16, label="2")
    found = list(read_sentences(write(tmp_path), parts))
    assert found[1].tags == ("NNP", "NNP")
    assert tag_names({"VBZ", "NNP", "JJ"}) == ("JJ", "NNP", "VBZ")
    assert tag_names({"I-b", "O", "B-a"}) == ("O", "B-a", "I-a", "B-b", "I-b")


def test_words_may_hold_any_sign(tmp_path):
    path = write(tmp_path, text="a\u2028b O\nc\u00a0d\x85 O\n")
    (found,) = read_sentences(path, TEXT)
    assert found.words == ("a\u2028b", "c\u00a0d\x85")


def test_json_lines_say_the_same(tmp_path):
    rows = [{"words": w, "ner": t, "id": 1} for w, t in SENTENCES]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = TextConfig(length=16, column="words", label="ner")
    path = write(tmp_path, "train.jsonl", "\n\n".join(lines))
    assert list(read_sentences(path, text)) == SENTENCES


def test_a_folder_is_loaded_as_its_task_asks(tmp_path):
    write(tmp_path, text=CONLL * 20)
    write(tmp_path, "dev.conll")
    write(tmp_path, "test.conll", "Peter NNP x B-PER\n" * 30)
    config = DataConfig("tagged", path=str(tmp_path), text=TEXT)
    found = data.load(config)
    assert isinstance(task_of(config), TokenClassification)
    assert [len(each) for each in found[:3]] == [40, 2, 1]
    assert found.class_names == ("O", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    tags = found.validation.arrays["tags"]
    assert tags[1][tags[1] >= 0].tolist() == [5, 6]
    assert any("of 30 words lie behind data.text.length=16" in note for note in found.notes)
    alone = data.load(DataConfig("tagged", path=str(tmp_path), text=TEXT, task=MaskedTokens()))
    assert set(alone.train.arrays) == {"tokens", "part", "segment"}
    with pytest.raises(InputError, match=r"data\.text\.pack"):
        data.load(DataConfig("tagged", path=str(tmp_path), text=TextConfig(length=16, pack=True)))
    with pytest.raises(InputError, match=r"glosses_mini.*'tagged'"):
        data.load(DataConfig("glosses_mini", task=TokenClassification()))


BAD = [
    ("train.conll", "alone\n", "", ("line 1", "1 columns")),
    ("train.conll", "a O\nb \n", "", ("line 2", "1 columns")),
    ("train.conll", "a\t\tO\n", "", ("line 1", "columns")),
    ("train.conll", "\n \n", "", ("no sentence",)),
    ("train.conll", b"a \xff\n", "", ("utf-8",)),
    ("train.conll", "a O\n", "tag", ("data.text.label='tag'", "number")),
    ("train.conll", "a O\n", "3", ("line 1", "2 columns")),
    ("train.jsonl", "{", "", ("line 1", "JSON")),
    ("train.jsonl", "[1]", "", ("line 1", "object")),
    ("train.jsonl", '{"text": ["a"]}', "", ("row 1", "'label'", "lists")),
    ("train.jsonl", '{"text": ["a"], "label": [1]}', "", ("row 1", "lists")),
    ("train.jsonl", '{"text": ["a"], "label": ["O", "O"]}', "", ("row 1", "1 words and 2 tags")),
    ("train.jsonl", '{"text": "a b", "label": "O O"}', "", ("row 1", "lists")),
    ("train.jsonl", '{"text": ["a"], "label": ["B-\\ud800"]}', "", ("train.jsonl", "Unicode")),
    ("train.jsonl", '{"text": ["a\\ud800"], "label": ["O"]}', "", ("text 1", "Unicode")),
]


@pytest.mark.parametrize(("name", "text", "label", "named"), BAD)
def test_damaged_files_are_named(tmp_path, name, text, label, named):
    write(tmp_path, name, text)
    own = TextConfig(length=16, **({"label": label} if label else {}))
    with pytest.raises(InputError) as caught:
        data.load(DataConfig("tagged", path=str(tmp_path), text=own))
    assert all(each in str(caught.value) for each in named)


def test_what_does_not_go_together_is_named(tmp_path):
    with pytest.raises(InputError, match="no file called train"):
        data.load(DataConfig("tagged", path=str(tmp_path), text=TEXT))
    write(tmp_path, text=CONLL * 20)
    write(tmp_path, "test.conll", "a O\nb B-NEW\n")
    with pytest.raises(InputError, match=r"test.conll.*'B-NEW'"):
        data.load(DataConfig("tagged", path=str(tmp_path), text=TEXT))
    write(tmp_path, "train.jsonl", "{}")
    with pytest.raises(InputError, match=r"train.conll and train.jsonl"):
        data.load(DataConfig("tagged", path=str(tmp_path), text=TEXT))
    with pytest.raises(InputError, match=r"words.csv.*\.conll"):
        data.load(DataConfig("tagged", path=str(write(tmp_path, "words.csv")), text=TEXT))
