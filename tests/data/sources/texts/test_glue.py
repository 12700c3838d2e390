"""GLUE's nine tasks, from files of their exact layouts."""

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.data.fingerprint import fingerprint
from rtickets.data.sources.texts.glue import GLUE
from rtickets.errors import InputError
from rtickets.tasks import MaskedTokens, TextClassification, TextRegression, task_of

pytest.importorskip("tokenizers")

TEXT = TextConfig(length=24)
NLI = (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
    "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1"
)
# By source: its header as published ('' without), and a row of text, further text and label.
LAYOUTS = {
    "glue_cola": ("", "gj04\t{2}\t\t{0}", ("0", "1")),
    "glue_sst2": ("sentence\tlabel", "{0}\t{2}", ("0", "1")),
    "glue_mrpc": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{2}\t7\t8\t{0}\t{1}", ("0", "1"),
    ),
    "glue_stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tmain\tMSRvid\t2012\t0001\tnone\tnone\t{0}\t{1}\t{2}", ("5.000", "0.75"),
    ),
    "glue_qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "1\t2\t3\t{0}\t{1}\t{2}", ("0", "1"),
    ),
    "glue_mnli": (
        f"{NLI}\tgold_label", "0\t1\t1n\tfiction\t( a )\t( b )\t(R)\t(R)\t{0}\t{1}\t{2}\t{2}",
        ("neutral", "entailment", "contradiction"),
    ),
    "glue_qnli": (
        "index\tquestion\tsentence\tlabel", "0\t{0}\t{1}\t{2}", ("entailment", "not_entailment"),
    ),
    "glue_rte": (
        "index\tsentence1\tsentence2\tlabel", "0\t{0}\t{1}\t{2}", ("not_entailment", "entailment"),
    ),
    "glue_wnli": ("index\tsentence1\tsentence2\tlabel", "0\t{0}\t{1}\t{2}", ("0", "1")),
}  # fmt: skip
LAYOUTS["glue_mnli_mismatched"] = LAYOUTS["glue_mnli"]
FIRST = 'he said "a cat'  # quotes are characters as others, also such as are not closed


def write(folder, name, count, *, test=6):
    """Write the files of a task into its folder."""
    header, row, labels = LAYOUTS[name]
    own = folder / GLUE[name].folder
    own.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train", count), (GLUE[name].test, test)):
        lines = [header] * bool(header)
        if file.startswith("dev_"):  # which have the labels of five people
            lines = [f"{NLI}\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label"]
            row = "0\t1\t1n\tfiction\t( a )\t( b )\t(R)\t(R)\t{0}\t{1}" + "\t{2}" * 6
        lines += [
            row.format(f"{FIRST} {n}", f"a \u2028 dog {n}", labels[n % len(labels)])
            for n in range(rows)
        ]
        (own / f"{file}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return own


def config(path, name, **more):
    return DataConfig(name, path=str(path), text=TEXT, **more)


def test_all_tasks_are_here():
    assert set(LAYOUTS) == set(GLUE)
    assert len({each.folder for each in GLUE.values()}) == 9


@pytest.mark.parametrize("name", GLUE)
def test_a_task_is_read_from_its_files(tmp_path, name):
    own = write(tmp_path, name, 40)
    found = data.load(config(tmp_path, name, validation_fraction=0.25))
    assert [len(each) for each in found[:3]] == [30, 10, 6]
    pairs = len(GLUE[name].columns) == 2
    assert bool(found.train.arrays["segment"].any()) == pairs
    task, labels = task_of(config(tmp_path, name)), LAYOUTS[name][2]
    if name == "glue_stsb":
        assert isinstance(task, TextRegression)
        assert task.headline.name == "pearson"
        assert set(found.test.arrays["value"].tolist()) == {5.0, 0.75}
    else:
        assert isinstance(task, TextClassification)
        assert task.metric == ("matthews" if name == "glue_cola" else "accuracy")
        assert found.class_names == tuple(GLUE[name].classes.values())
        expected = [list(GLUE[name].classes).index(labels[n % len(labels)]) for n in range(6)]
        assert found.test.labels.tolist() == expected
    alone = data.load(config(own, name, validation_fraction=0.25))
    np.testing.assert_array_equal(alone.test.arrays["tokens"], found.test.arrays["tokens"])
    first = data.load(config(tmp_path, name, task=MaskedTokens())).train
    assert set(first.arrays) == {"tokens", "part", "segment"}


def test_rows_that_lack_columns_are_left_out_and_said(tmp_path):
    own = write(tmp_path, "glue_qqp", 40)
    with (own / "train.tsv").open("a") as file:
        file.write("9\t9\t9\tonly one\n")
    found = data.load(config(tmp_path, "glue_qqp", validation_fraction=0.25))
    assert len(found.train) + len(found.validation) == 40
    assert any("train.tsv: 1 of 41 rows" in note and "line 42" in note for note in found.notes)
    with (own / "train.tsv").open("a") as file:
        file.write("9\t9\n" * 9)
    with pytest.raises(InputError, match=r"train.tsv: 10 of 50 rows.*line 42"):
        data.load(config(tmp_path, "glue_qqp"))


def test_windows_line_ends_and_marks_of_byte_order_are_fine(tmp_path):
    own = write(tmp_path, "glue_rte", 40)
    before = data.load(config(tmp_path, "glue_rte"))
    text = (own / "train.tsv").read_text("utf-8")
    (own / "train.tsv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    after = data.load(config(tmp_path, "glue_rte"))
    np.testing.assert_array_equal(before.train.arrays["tokens"], after.train.arrays["tokens"])
    np.testing.assert_array_equal(before.train.labels, after.train.labels)


def test_what_identifies_a_task_are_the_two_files_that_are_read(tmp_path):
    own = write(tmp_path, "glue_mnli", 40)
    write(tmp_path, "glue_mnli_mismatched", 40)
    first = fingerprint(config(tmp_path, "glue_mnli"))
    assert first == fingerprint(config(own, "glue_mnli"))
    (own / "test.tsv").write_text("unlabelled")
    assert fingerprint(config(tmp_path, "glue_mnli")) == first
    (own / "dev_mismatched.tsv").write_text("other")
    assert fingerprint(config(tmp_path, "glue_mnli")) == first
    with (own / "dev_matched.tsv").open("a") as file:
        file.write("\n")
    assert fingerprint(config(tmp_path, "glue_mnli")) != first


BAD = [
    ("glue_sst2", "", ("empty",)),
    ("glue_sst2", "sentence\tlabel\n", ("no row",)),
    ("glue_sst2", "sentence\ta\tb\nx\t1\t2\n", ("'label'", "train.tsv of SST-2")),
    ("glue_sst2", "sentence\tlabel\nx\t2\n", ("line 2", "'2'", "0, 1")),
    ("glue_mnli", f"{NLI}\tgold_label\n" + "\t".join("abcdefghij") + "\tx\t-\n", ("line 2", "'-'")),
    (
        "glue_stsb",
        LAYOUTS["glue_stsb"][0] + "\n" + "\t".join("abcdefghi") + "\tgood\n",
        ("'good'",),
    ),
    ("glue_stsb", LAYOUTS["glue_stsb"][0] + "\n" + "\t".join("abcdefghi") + "\tnan\n", ("'nan'",)),
    ("glue_cola", "one\ttwo\n", ("1 of 1 rows", "4 of CoLA")),
    ("glue_cola", "a\t0\t\t\xff\n", ("utf-8",)),
    ("glue_cola", "a\tyes\t\tb\n", ("line 1", "'yes'")),
]


@pytest.mark.parametrize(("name", "text", "named"), BAD)
def test_damaged_files_are_named(tmp_path, name, text, named):
    own = write(tmp_path, name, 40)
    (own / "train.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        data.load(config(tmp_path, name))
    assert all(each in str(caught.value) for each in ("train.tsv", *named))


def test_what_is_missing_or_asked_for_in_vain_is_named(tmp_path):
    with pytest.raises(InputError, match=r"train.tsv is missing.*folder RTE"):
        data.load(config(tmp_path, "glue_rte"))
    own = write(tmp_path, "glue_mnli", 40)
    with pytest.raises(InputError, match=r"dev_mismatched.tsv is missing"):
        data.load(config(own, "glue_mnli_mismatched"))
    with pytest.raises(InputError, match=r"glue_mnli.*classes.*text_regression"):
        data.load(config(own, "glue_mnli", task=TextRegression()))
    write(tmp_path, "glue_stsb", 40)
    with pytest.raises(InputError, match=r"glue_stsb.*numbers.*text_classification"):
        data.load(config(tmp_path, "glue_stsb", task=TextClassification()))
