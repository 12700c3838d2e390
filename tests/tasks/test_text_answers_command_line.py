"""Classes of words and answers in texts, by the commands: trained, killed, transferred, judged."""

import json
from pathlib import Path

import pytest

from rtickets import cli
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

pytest.importorskip("tokenizers")

FILE = """
from rtickets.config import (
    DataConfig, DrawConfig, EncoderConfig, EvaluateConfig, ImpConfig, ModelConfig,
    ObjectiveConfig, OptimizerConfig, PretrainConfig, TextConfig, TrainConfig, TransferConfig,
)
from rtickets.settings import config_files

ENCODER = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=4096, positions=24)
ADAMW = OptimizerConfig(
    name="adamw", learning_rate=5e-3, weight_decay=0, schedule="polynomial", power=1, clip_norm=1,
)
TRAIN = TrainConfig(duration="8it", batch_size=8, validate_every="4it", optimizer=ADAMW)
TAGS = DataConfig("tagged", path="train.conll", text=TextConfig(length=12))
SQUAD = DataConfig("squad", path="squad.json", text=TextConfig(length=18, stride=4, question=6))


def get_config(which):
    model = ModelConfig(arch="bert", encoder=ENCODER)
    return config_files.editable({
        "pretrain": PretrainConfig(TAGS, model, TRAIN),
        "pretrain_squad": PretrainConfig(SQUAD, model, TRAIN),
        "imp": DrawConfig(
            method=ImpConfig(rate=0.1, of="original", first="train", head="keep", stop="4it"),
            sparsity=0.2, train=TRAIN,
        ),
        "snip": DrawConfig(criterion="snip", sparsity=0.5, examples=16, batch_size=8),
        "transfer_tags": TransferConfig(data=TAGS, train=TRAIN),
        "evaluate": EvaluateConfig(batch_size=64),
    }[which])
"""
CONTEXT = "the animal called {0} eats {1} plants, and it lives near the water for {1} years"


@pytest.fixture
def files(own_file):
    run = own_file("texts", FILE)
    lines = "".join(f"the O\nperson B-noun\nof I-noun\nnumber B-verb\n{n} O\n\n" for n in range(48))
    Path("train.conll").write_text(lines)
    paragraphs = []
    for number in range(24):
        context = CONTEXT.format(f"dog {number}", number + 100)
        answer = {"text": f"dog {number}", "answer_start": context.index("dog")}
        asked = {"id": str(number), "question": "what animal?", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [asked]})
    Path("squad.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return run


def evaluated(run, folder):
    return RunFolder(run("evaluate", f"ticket={folder}"), "").result()


def test_classes_of_words_are_trained_drawn_and_judged(files, ends_bit_equal):
    dense = files("pretrain")
    last = read_metrics(dense / "metrics.jsonl")[-1]
    assert {"f1", "recall", "accuracy", "validation"} <= set(last)
    ends_bit_equal(dense, "texts", "pretrain")
    drawn = files("draw", f"ticket={dense}", config="snip")
    result = evaluated(files, drawn)
    assert result["headline"]["name"] == "f1"
    assert {"f1", "accuracy", "recall"} <= set(result["measures"])


def test_answers_in_texts_are_trained_transferred_and_judged(files, ends_bit_equal, capsys):
    dense = files("pretrain", config="pretrain_squad")
    assert "2 scores of every token" in capsys.readouterr().out
    last = read_metrics(dense / "metrics.jsonl")[-1]
    assert {"window_accuracy", "validation"} <= set(last)
    ends_bit_equal(dense, "texts", "pretrain_squad")
    robust = ["train.objective.name=embeddings", "train.objective.features=16"]
    drawn = files("draw", f"ticket={dense}", *robust, config="imp")
    result = evaluated(files, drawn)
    assert result["headline"]["name"] == "f1"
    assert {"f1", "exact_match", "window_accuracy"} <= set(result["measures"])
    assert result["measures"]["f1"]["value"] >= result["measures"]["exact_match"]["value"]
    moved = files("transfer", f"ticket={drawn}", config="transfer_tags")
    assert evaluated(files, moved)["headline"]["name"] == "f1"


def test_what_does_not_fit_is_one_line(files, capsys):
    short = ["train.duration=1it", "train.validate_every=1it"]
    dense = files("pretrain", *short)
    refused = [
        ("pretrain", "data.text.label=tag", ("data.text.label='tag'",)),
        ("pretrain", "data.task.name=text_classification", ("labels",)),
        ("pretrain", "train.objective.name=pgd", ("tokens", "'pgd'")),
        ("pretrain_squad", "data.text.length=6", ("data.text.length=6", "question")),
        ("pretrain_squad", "data.source=tagged", ("squad.json", ".conll")),
        ("evaluate", f"ticket={dense} data.source=squad data.path=squad.json", ("answering",)),
    ]
    for which, options, named in refused:
        capsys.readouterr()
        verb = which.partition("_")[0]
        words = [verb, f"--config=texts.py:{which}", "--workdir=runs", "--devices=1"]
        assert cli.main([*words, *(f"--config.{option}" for option in options.split())]) == 2, named
        error = capsys.readouterr().err
        assert all(each in error for each in named), error
        assert "Traceback" not in error
