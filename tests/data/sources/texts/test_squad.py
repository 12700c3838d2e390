"""SQuAD's JSON."""

import json

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig, TextConfig
from rtickets.errors import InputError
from rtickets.tasks import MaskedTokens, QuestionAnswering, TextClassification, task_of

pytest.importorskip("tokenizers")

TEXT = TextConfig(length=24, stride=8)


def article(number, count=3, **more):
    context = (
        f"an animal of number {number} eats many plants near water, and lives for {number} years"
    )
    begin = context.index("many plants")
    answers = [
        {"text": "many plants", "answer_start": begin},
        {"text": "plants", "answer_start": begin + 5},
    ]
    qas = [
        {
            "id": f"{number}-{k}",
            "question": f"what does animal {k} eat?",
            "answers": answers,
            **more,
        }
        for k in range(count)
    ]
    return {"title": f"t{number}", "paragraphs": [{"context": context, "qas": qas}]}


def write(path, articles):
    path.write_text(json.dumps({"version": "1.1", "data": articles}), "utf-8")


def test_dev_is_for_testing_and_texts_are_held_out_whole(tmp_path):
    write(tmp_path / "train-v1.1.json", [article(n) for n in range(20)])
    write(tmp_path / "dev-v1.1.json", [article(n) for n in range(30, 35)])
    config = DataConfig("squad", path=str(tmp_path), text=TEXT, validation_fraction=0.2)
    found = data.load(config)
    assert isinstance(task_of(config), QuestionAnswering)
    counts = [len(np.unique(each.arrays["question"])) for each in found[:3]]
    assert counts == [48, 12, 15]
    assert len(found.train) > 48
    texts = [{row.tobytes() for row in each.arrays["text"]} for each in found[:3]]
    assert not texts[0] & texts[1]
    assert any("48 training questions in" in note for note in found.notes)
    assert found.test.arrays["answers"][0].tobytes().rstrip(b"\xff") == b"many plants\xffplants"
    assert not any("no window holds" in note for note in found.notes)
    brief = DataConfig(
        "squad", path=str(tmp_path), text=TextConfig(length=10, stride=1), validation_fraction=0.2
    )
    assert any("of 48 of them no window holds" in note for note in data.load(brief).notes)
    again = data.load(config)
    np.testing.assert_array_equal(again.train.arrays["tokens"], found.train.arrays["tokens"])


def test_a_file_alone_is_parted_and_its_texts_can_be_read_alone(tmp_path):
    write(tmp_path / "mine.json", [article(n) for n in range(20)])
    path = str(tmp_path / "mine.json")
    found = data.load(DataConfig("squad", path=path, text=TEXT))
    assert [len(np.unique(each.arrays["question"])) for each in found[:3]] == [42, 6, 12]
    alone = data.load(DataConfig("squad", path=path, text=TEXT, task=MaskedTokens()))
    assert set(alone.train.arrays) == {"tokens", "part", "segment"}
    assert [len(each) for each in alone[:3]] == [14, 2, 4]
    with pytest.raises(InputError, match="labels"):
        data.load(DataConfig("squad", path=path, text=TEXT, task=TextClassification()))
    with pytest.raises(InputError, match=r"data.text.pack"):
        data.load(DataConfig("squad", path=path, text=TextConfig(length=24, pack=True)))
    with pytest.raises(InputError, match=r"glosses_mini.*'squad'"):
        data.load(DataConfig("glosses_mini", task=QuestionAnswering()))


def test_an_answer_that_is_not_there_is_left_out_of_training(tmp_path):
    articles = [article(n) for n in range(20)]
    articles[0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 0
    write(tmp_path / "mine.json", articles)
    found = data.load(DataConfig("squad", path=str(tmp_path / "mine.json"), text=TEXT))
    assert any("3 of 60 training questions are left out" in note for note in found.notes)


BAD = [
    ("{", ("is no JSON",)),
    ("[" * 100_000, ("is no JSON",)),
    ("[]", ("'data'", "expected list")),
    ("{}", ("'data'", "None")),
    ('{"data": []}', ("no question",)),
    ('{"data": [{"paragraphs": 3}]}', ("article 1", "'paragraphs'", "3")),
    (json.dumps({"data": [article(1, is_impossible=True)]}), ("'1-0'", "2.0")),
    (json.dumps({"data": [article(1, answers=[])]}), ("'1-0'", "no answer")),
    (json.dumps({"data": [article(1, answers=[{"text": "x"}])]}), ("'answer_start'", "None")),
    (json.dumps({"data": [article(1, answers=[{"text": "x", "answer_start": True}])]}), ("True",)),
    (json.dumps({"data": [article(1, answers=[{"text": "x", "answer_start": -1}])]}), ("-1",)),
    (json.dumps({"data": [article(1, question="\0")]}), ("'1-0'", "number 0")),
    ('{"data": [{"paragraphs": [{"context": "\\ud800 a", "qas": [{"id": "x", "question": "?", '
     '"answers": [{"text": "a", "answer_start": 2}]}]}]}]}', ("'x'", "Unicode")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named"), BAD)
def test_damaged_files_are_named(tmp_path, text, named):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(InputError) as caught:
        data.load(DataConfig("squad", path=str(tmp_path), text=TEXT))
    assert all(each in str(caught.value) for each in ("train.json", *named))


def test_what_is_not_there_is_said(tmp_path):
    for path, named in ((tmp_path / "none", "does not exist"), (tmp_path, "no train")):
        with pytest.raises(InputError, match=named):
            data.load(DataConfig("squad", path=str(path), text=TEXT))
    for name in ("dev-v1.1.json", "dev-v2.0.json", "train.json"):
        write(tmp_path / name, [article(1)])
    with pytest.raises(InputError, match=r"dev-v1.1.json and dev-v2.0.json"):
        data.load(DataConfig("squad", path=str(tmp_path), text=TEXT))


def test_answers_that_all_stand_elsewhere_are_said(tmp_path):
    answers = [{"text": "many plants", "answer_start": 10**30}]
    write(tmp_path / "train.json", [article(n, answers=answers) for n in range(6)])
    with pytest.raises(InputError, match=r"'0-0'.*answer_start counts characters"):
        data.load(DataConfig("squad", path=str(tmp_path / "train.json"), text=TEXT))
