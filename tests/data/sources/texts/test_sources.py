"""Sources of texts, from files as they come."""

import json

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.data.fingerprint import fingerprint
from rtickets.data.sources.texts import fortunes
from rtickets.data.sources.texts.wordnet import CLASSES, bundled, read_glosses
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks import MaskedTokens, TextClassification, TextRegression, task_of

pytest.importorskip("tokenizers")

SHORT = TextConfig(length=16)
NOUN = "00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived  \n"
VERB = "00001740 29 v 04 breathe 0 021 * 00005041 v 0000 | draw air into, and expel  \n"


def test_the_bundled_glosses_are_balanced_and_in_their_classes():
    glosses = bundled()
    counts = np.bincount([label for label, _ in glosses])
    assert len(counts) == len(CLASSES) == 41
    assert counts.max() == 150
    assert (counts == 150).sum() == 38
    assert len({gloss for _, gloss in glosses}) == len(glosses) == 5874
    found = {gloss: CLASSES[label] for label, gloss in glosses}
    assert found["an entity that has physical existence"] == "noun.tops"


def test_glosses_are_read_from_the_files_of_wordnet(tmp_path):
    (tmp_path / "data.noun").write_text("  1 This software\n" + NOUN + NOUN.replace("03", "05", 1))
    (tmp_path / "data.verb").write_text(VERB + VERB.replace("draw air into", "caf\xe9"), "latin-1")
    found = read_glosses(tmp_path)
    assert [(CLASSES[label], gloss) for label, gloss in found] == [
        ("noun.tops", "that which is perceived"),
        ("verb.body", "draw air into, and expel"),
        ("verb.body", "caf\xe9, and expel"),
    ]
    (tmp_path / "data.verb").write_text("rubbish\n")
    with pytest.raises(InputError, match=r"data.verb: line 1.*rubbish"):
        read_glosses(tmp_path)
    (tmp_path / "data.verb").unlink()
    with pytest.raises(InputError, match=r"data\.verb"):
        read_glosses(tmp_path)


@pytest.mark.parametrize(("source", "classes"), [("glosses_mini", 41), ("glosses_mini_parts", 2)])
def test_bundled_sources_load_as_their_task_asks(source, classes):
    config = DataConfig(source, text=SHORT)
    dataset = data.load(config)
    assert len(dataset.class_names) == classes
    assert sum(map(len, dataset[:3])) == 5874
    assert dataset.mean == ()
    task = task_of(config)
    assert isinstance(task, TextClassification)
    assert task.vocabulary.size == 4096
    assert any("data.text.length=16" in note for note in dataset.notes)
    shares = [np.bincount(split.labels) / len(split) for split in dataset[:3]]
    np.testing.assert_allclose(shares[0], shares[2], atol=0.01)


def test_fortunes_are_parted_at_percent_signs(tmp_path, monkeypatch):
    monkeypatch.setattr(fortunes, "LEAST", 3)
    (tmp_path / "art").write_text("one\ntwo\n%\nthree\n%\n\n%\nthree\n%\nfour % five\n")
    assert fortunes.entries(tmp_path / "art") == ["one two", "three", "four % five"]
    (tmp_path / "law").write_text("%\n".join(f"case {n}\n" for n in range(9)) + "%\nthree\n")
    (tmp_path / "law.dat").write_bytes(b"\xff")
    (tmp_path / "drugs").write_text("%\n".join(f"left out {n}\n" for n in range(9)))
    (tmp_path / "few").write_text("alone\n")
    raw = data.get_source("fortunes").load(DataConfig("fortunes", path=str(tmp_path)), None)
    assert raw.class_names == ("art", "law")
    assert np.bincount(raw.train.labels).tolist() == [3, 9]
    monkeypatch.setattr(fortunes, "LEAST", 30)
    with pytest.raises(InputError, match="at least 30"):
        raw = data.get_source("fortunes").load(DataConfig("fortunes", path=str(tmp_path)), None)


def lines_of(folder, **more):
    return DataConfig("lines", path=str(folder), text=SHORT, **more)


def test_lines_of_files_are_texts_and_names_are_splits(tmp_path):
    (tmp_path / "b.txt").write_text("\n".join(f"line {n}" for n in range(20)))
    (tmp_path / "a.txt").write_text("the first\n\n")
    raw = data.get_source("lines").load(lines_of(tmp_path), None)
    assert len(raw.train) == 21
    assert raw.test is None
    assert isinstance(task_of(lines_of(tmp_path)), MaskedTokens)
    (tmp_path / "train.txt").write_text("one\ntwo\n")
    (tmp_path / "test.txt").write_text("three\n")
    with pytest.raises(InputError, match=r"2 files that are no part.*a.txt, b.txt"):
        data.get_source("lines").load(lines_of(tmp_path), None)
    for name, new in (("a", "dev"), ("b", "train.2")):
        (tmp_path / f"{name}.txt").rename(tmp_path / f"{new}.txt")
    raw = data.get_source("lines").load(lines_of(tmp_path), None)
    assert (len(raw.train), len(raw.test), len(raw.validation)) == (22, 1, 1)
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"test.txt.*utf-8"):
        data.get_source("lines").load(lines_of(tmp_path), None)


def test_rows_that_are_mostly_padding_are_said(tmp_path):
    (tmp_path / "a.txt").write_text("an entity that exists\n" * 20)
    for length, said in ((32, True), (12, False), (7, False)):
        config = DataConfig("lines", path=str(tmp_path), text=TextConfig(length=length))
        notes = data.get_source("lines").load(config, None).notes
        assert any("75% of the tokens are padding" in note for note in notes) == said, notes
        assert any("data.text.length=8 holds all" in note for note in notes) == said


def test_lines_end_where_files_end_them(tmp_path):
    rows = [{"text": "a\u2028b", "label": n % 2} for n in range(3)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "train.jsonl").write_text("\r\n".join(lines), "utf-8", newline="")
    raw = data.get_source("table").load(DataConfig("table", path=str(tmp_path), text=SHORT), None)
    assert len(raw.train) == 3
    (tmp_path / "a.txt").write_bytes("\ufeffone\u2028two\r\nthree\x85\rfour\n\n".encode())
    assert len(data.get_source("lines").load(lines_of(tmp_path), None).train) == 3


ROWS = [("a", "good film", "2"), ("b", 'a "bad" one', "10"), ("c", "so, so", "2")]


@pytest.mark.parametrize("end", ["csv", "tsv", "jsonl"])
def test_tables_of_all_kinds_say_the_same(tmp_path, end):
    path = tmp_path / f"train.{end}"
    if end == "jsonl":
        lines = [json.dumps({"id": i, "text": t, "label": int(n)}) for i, t, n in ROWS]
    elif end == "tsv":
        lines = ["id\ttext\tlabel", *("\t".join(row) for row in ROWS)]
    else:
        quoted = ['"' + text.replace('"', '""') + '"' for _, text, _ in ROWS]
        lines = ["id,text,label"]
        lines += [f"{r[0]},{text},{r[2]}" for r, text in zip(ROWS, quoted, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    config = DataConfig("table", path=str(path), text=SHORT)
    raw = data.get_source("table").load(config, None)
    assert raw.class_names == ("2", "10")
    assert raw.train.labels.tolist() == [0, 1, 0]
    told = config_files.replace(config, task=TextRegression())
    value = data.get_source("table").load(told, None).train.arrays["value"]
    assert value.tolist() == [2, 10, 2]
    alone = config_files.replace(config, task=MaskedTokens())
    found = data.get_source("table").load(alone, None).train
    assert set(found.arrays) == {"tokens", "part", "segment"}
    np.testing.assert_array_equal(found.arrays["tokens"], raw.train.arrays["tokens"])


def test_splits_of_a_table_share_their_classes_and_pairs_their_rows(tmp_path):
    (tmp_path / "train.csv").write_text("one,two,is\nx,y,yes\nz,w,no\n")
    (tmp_path / "dev.csv").write_text("one,two,is\nv,v,yes\n")
    text = TextConfig(length=8, column="one", pair="two", label="is")
    config = DataConfig("table", path=str(tmp_path), text=text)
    raw = data.get_source("table").load(config, None)
    assert raw.class_names == ("no", "yes")
    assert raw.validation.labels.tolist() == [1]
    assert raw.train.arrays["segment"].sum() == 4
    (tmp_path / "dev.csv").write_text("one,two,is\nv,v,maybe\n")
    with pytest.raises(InputError, match=r"dev.csv.*'maybe'"):
        data.get_source("table").load(config, None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("text,label\nx\n", ("train.csv", "line 2", "columns")),
        ("words,label\nx,1\n", ("'text'", "words", "data.text.column")),
        ("text\nx\n", ("'label'", "data.text.label")),
        ('text,label\n"x,1\n', ("train.csv", "line")),
        ("", ("train.csv", "no row")),
        ("text,label\n", ("train.csv", "no row")),
        ("text,text,label\nx,y,1\n", ("train.csv", "'text'", "two columns")),
        ("text,label\nx,1\ny,\n", ("train.csv", "row 2", "'label'", "empty")),
    ],
)
def test_damaged_tables_are_named(tmp_path, text, named):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        data.get_source("table").load(DataConfig("table", path=str(tmp_path)), None)
    assert all(each in str(caught.value) for each in named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"text": "x \\ud800", "label": 0}', ("text 1", "Unicode")),
        ('{"text": null, "label": 0}', ("row 1", "'text'", "None")),
        ('{"text": "x", "label": [0]}', ("row 1", "'label'")),
        ('{"text": "x", "label": ' + 5000 * "9" + "}", ("line 1", "JSON")),
        (100_000 * "[", ("line 1", "JSON")),
    ],
)
def test_damaged_json_lines_are_named(tmp_path, text, named):
    (tmp_path / "train.jsonl").write_text(text)
    with pytest.raises(InputError) as caught:
        data.get_source("table").load(DataConfig("table", path=str(tmp_path)), None)
    assert all(each in str(caught.value) for each in named)


def test_settings_of_another_kind_of_data_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"data.text.*digits"):
        data.source_of(DataConfig("digits", text=SHORT))
    with pytest.raises(InputError, match=r"data.flip.*glosses_mini"):
        data.source_of(DataConfig("glosses_mini", flip=True))
    with pytest.raises(InputError, match="pack"):
        data.load(DataConfig("glosses_mini", text=TextConfig(pack=True)))
    assert "text" not in config_files.to_dict(DataConfig())


def test_another_tokenizer_is_another_data_set(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe")
    config = DataConfig("glosses_mini", text=TextConfig(tokenizer=str(path)))
    first = fingerprint(config)
    assert fingerprint(DataConfig("glosses_mini", text=SHORT)) is None
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na")
    assert fingerprint(config) != first


def table(path, content):
    path.write_text(content)
    return DataConfig("table", path=str(path), text=SHORT, test_fraction=0.3)


def test_a_name_that_stands_twice_in_a_line_is_refused(tmp_path):
    rows = [json.dumps({"text": f"a {n}", "label": n % 2}) for n in range(9)]
    rows.append('{"text": "a", "text": "b", "label": 1}')
    with pytest.raises(InputError, match=r"line 10 .*'text' stands there twice"):
        data.load(table(tmp_path / "a.jsonl", "\n".join(rows)))


def test_labels_of_any_number_of_digits_are_names(tmp_path):
    long = "1" * 5000
    rows = "".join(f"a {n},{long if n % 2 else 10 - n % 4}\n" for n in range(40))
    found = data.load(table(tmp_path / "a.csv", f"text,label\n{rows}"))
    assert found.class_names == ("8", "10", long)


def test_numbers_beyond_float32_are_refused_without_a_warning(tmp_path):
    rows = "".join(f"a {n},{n}\n" for n in range(20))
    asked = table(tmp_path / "a.csv", f"text,label\n{rows}b,1e300\n")
    with pytest.raises(InputError, match="not finite"):
        data.load(config_files.replace(asked, task=TextRegression()))
