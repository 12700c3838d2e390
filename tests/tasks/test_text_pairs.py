"""Pairs of texts ask for an encoder that knows two kinds of sentences, whatever the task."""

import json
from pathlib import Path

import pytest

from rtickets import Ticket, cli
from rtickets.config import (
    DataConfig,
    EncoderConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TextConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.stages.study_checks import check_study
from rtickets.tasks import MaskedTokens

pytest.importorskip("tokenizers")

FILE = """
from rtickets.config import (
    DataConfig, EncoderConfig, EvaluateConfig, ModelConfig, PretrainConfig, TextConfig, TrainConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.tasks import MaskedTokens, TextRegression

TRAIN = TrainConfig(duration="1it", batch_size=8, validate_every="1it")
ENCODER = EncoderConfig(layers=1, hidden=8, heads=2, vocabulary=4096, positions=32, kinds=1)
MODEL = ModelConfig(arch="bert", encoder=ENCODER)
PAIRS, ALONE = TextConfig(length=32, pair="other"), TextConfig(length=32)
DATA = {
    "classes": DataConfig("table", path="table.csv", text=PAIRS),
    "numbers": DataConfig("table", path="table.csv", text=PAIRS, task=TextRegression()),
    "masked": DataConfig("table", path="table.csv", text=PAIRS, task=MaskedTokens()),
    "answers": DataConfig("squad", path="squad.json", text=ALONE),
    "alone": DataConfig("table", path="table.csv", text=ALONE, task=MaskedTokens()),
}


def get_config(which):
    verb, _, name = which.partition("_")
    data = DATA[name]
    return config_files.editable({
        "pretrain": PretrainConfig(data, MODEL, TRAIN),
        "transfer": TransferConfig(data=data, train=TRAIN),
        "evaluate": EvaluateConfig(batch_size=8, data=data),
    }[verb])
"""
NAMED = ("model.encoder.kinds=1", "pair", "2")


@pytest.fixture
def files(own_file):
    run = own_file("texts", FILE)
    rows = [f"{'good' if n % 2 else 'bad'} thing,word {n},{n % 2}" for n in range(40)]
    Path("table.csv").write_text("\n".join(["text,other,label", *rows]) + "\n")
    paragraphs = []
    for number in range(24):
        context = f"the dog {number} eats plants"
        answer = {"text": f"dog {number}", "answer_start": 4}
        asked = {"id": str(number), "question": "what animal?", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [asked]})
    Path("squad.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return run


def test_an_encoder_of_one_kind_of_sentences_refuses_pairs_of_every_task(files, capsys):
    alone = files("pretrain", config="pretrain_alone")
    assert Ticket.load(alone / "ticket").meta["inputs"][2] == ["segment", [32], "uint8"]
    words = ["--workdir=runs", "--devices=1"]
    for name in ("classes", "numbers", "masked", "answers"):
        for verb, more in (("pretrain", ()), ("transfer", (f"--config.ticket={alone}",))):
            capsys.readouterr()
            asked = [verb, f"--config=texts.py:{verb}_{name}", *words, *more]
            for dry in ((), ("--dry-run",)):
                assert cli.main([*asked, *dry]) == 2
                error = capsys.readouterr().err
                assert all(each in error for each in NAMED), error
    assert cli.main(["evaluate", "--config=texts.py:evaluate_masked", *words,
                     f"--config.ticket={alone}"]) == 2  # fmt: skip
    error = capsys.readouterr().err
    assert all(each in error for each in NAMED), error


@pytest.mark.parametrize("kinds", [1, 2])
def test_a_study_with_pairs_is_refused_as_a_whole(files, kinds):
    encoder = EncoderConfig(layers=1, hidden=8, heads=2, vocabulary=4096, positions=32, kinds=kinds)
    alone = DataConfig("table", path="table.csv", text=TextConfig(length=32), task=MaskedTokens())
    pairs = DataConfig("table", path="table.csv", text=TextConfig(length=32, pair="other"))
    short = TrainConfig(duration="1it", batch_size=4, validate_every="1it")
    own = PretrainConfig(alone, ModelConfig(arch="bert", encoder=encoder), short)
    transfers = {"pairs": TransferConfig(data=pairs, train=short)}
    study = StudyConfig(
        pretrain=own, objectives={"natural": ObjectiveConfig()}, transfers=transfers,
        evaluate=EvaluateConfig(attacks={}),
    )  # fmt: skip
    if kinds == 2:
        check_study(study, parallel.local_devices(1))
        return
    with pytest.raises(InputError) as caught:
        check_study(study, parallel.local_devices(1))
    assert all(each in str(caught.value) for each in (*NAMED, "pairs: "))
