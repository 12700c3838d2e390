"""Texts from a pretrained encoder to a ticket that was transferred and judged, by the commands."""

from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import Ticket, cli, masks
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

pytest.importorskip("tokenizers")

FILE = """
from rtickets.config import (
    DataConfig, DrawConfig, EncoderConfig, EvaluateConfig, ImpConfig, ModelConfig,
    ObjectiveConfig, OptimizerConfig, PretrainConfig, TextConfig, TrainConfig, TransferConfig,
)
from rtickets.settings import config_files
from rtickets.tasks import MaskedTokens, TextClassification, TextRegression

ENCODER = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=4096, positions=16)
ADAMW = OptimizerConfig(
    name="adamw", learning_rate=5e-3, weight_decay=0, schedule="polynomial", power=1, clip_norm=1,
)
TRAIN = TrainConfig(duration="8it", batch_size=16, validate_every="4it", optimizer=ADAMW)
TEXT = TextConfig(length=12)
SMALL = {"text": TEXT, "train_examples": 96, "test_fraction": 0.95, "validation_fraction": 0.1}
MLM = DataConfig("glosses_mini", task=MaskedTokens(), **SMALL)
PARTS = DataConfig("glosses_mini_parts", **SMALL)


def table(task, **text):
    settings = TextConfig(length=12, **text)
    return DataConfig("table", path="table.csv", text=settings, task=task)


def get_config(which):
    number = TrainConfig(duration="8it", batch_size=4, validate_every="4it", optimizer=ADAMW)
    return config_files.editable({
        "pretrain": PretrainConfig(MLM, ModelConfig(arch="bert", encoder=ENCODER), TRAIN),
        "resnet": PretrainConfig(PARTS, ModelConfig(), TRAIN),
        "imp": DrawConfig(
            method=ImpConfig(rate=0.1, of="original", first="prune", head="keep", stop="4it"),
            sparsity=0.3, train=TRAIN,
        ),
        "snip": DrawConfig(criterion="snip", sparsity=0.5, examples=32, batch_size=16),
        "transfer": TransferConfig(data=PARTS, train=TRAIN),
        "number": TransferConfig(data=table(TextRegression()), train=number),
        "matthews": TransferConfig(
            data=table(TextClassification(metric="matthews"), pair="other"), train=number
        ),
        "evaluate": EvaluateConfig(batch_size=64),
        "parts": EvaluateConfig(batch_size=64, data=PARTS),
    }[which])
"""


@pytest.fixture(scope="module")
def table_text():
    rows = [f"{'good' if n % 2 else 'bad'} thing,word {n},{n % 2}" for n in range(40)]
    return "\n".join(["text,other,label", *rows]) + "\n"


def test_a_ticket_of_masked_tokens_is_drawn_transferred_and_judged(
    own_file, ends_bit_equal, table_text, capsys
):
    run = own_file("texts", FILE)
    dense = run("pretrain")
    assert "tokens (12,) int32 of 4096 tokens" in capsys.readouterr().out
    lines = read_metrics(dense / "metrics.jsonl")
    assert {"masked_accuracy", "perplexity", "validation"} <= set(lines[-1])
    ticket = Ticket.load(dense / "ticket")
    assert ticket.meta["asks"]["vocabulary"]["size"] == 4096
    assert ticket.meta["inputs"][0][:4] == ["tokens", [12], "int32", 4096]
    ends_bit_equal(dense, "texts", "pretrain")

    drawn = run("draw", f"ticket={dense}", config="imp")
    states = [Ticket.load(path / "ticket") for path in sorted(Path("runs").glob("draw-imp0.3*"))]
    assert len(states) == 3
    assert sorted(masks.sparsity(each.mask) for each in states) == pytest.approx(
        [0.1, 0.2, 0.3], abs=1e-3
    )
    own = Ticket.load(drawn / "ticket")
    kept = masks.apply(own.mask, ticket.params)
    for name in set(kept) - {"head"}:  # rewound to the bit; the head goes on
        jax.tree.map(np.testing.assert_array_equal, own.params[name], kept[name])
    assert np.abs(own.params["head"]["bias"] - ticket.params["head"]["bias"]).max() > 0
    scored = run("draw", f"ticket={dense}", config="snip")
    assert masks.sparsity(Ticket.load(scored / "ticket").mask) == pytest.approx(0.5, abs=1e-3)

    moved = run("transfer", f"ticket={drawn}")
    result = RunFolder(run("evaluate", f"ticket={moved}"), "").result()
    assert result["headline"]["name"] == "accuracy"
    assert set(result["measures"]) == {"accuracy", "f1", "matthews"}
    again = RunFolder(run("evaluate", f"ticket={dense}"), "").result()
    assert again["headline"]["name"] == "masked_accuracy"

    Path("table.csv").write_text(table_text)
    number = run("transfer", f"ticket={drawn}", config="number")
    told = RunFolder(run("evaluate", f"ticket={number}"), "").result()
    assert set(told["measures"]) == {"squared_error", "pearson", "spearman"}
    pairs = run("transfer", f"ticket={drawn}", config="matthews")
    told = RunFolder(run("evaluate", f"ticket={pairs}"), "").result()
    assert told["headline"]["name"] == "matthews"


def test_what_texts_are_not_is_one_line(own_file, capsys):
    run = own_file("texts", FILE)
    short = ["train.duration=1it", "train.validate_every=1it"]
    dense = run("pretrain", *short)
    Path("vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    own = f"ticket={dense}"
    refused = [
        ("pretrain", "resnet", "", ("resnet18", "model.arch")),
        ("pretrain", "pretrain", "model.encoder.vocabulary=100", ("100", "4096")),
        ("pretrain", "pretrain", "data.text.length=20", ("20", "positions=16")),
        ("pretrain", "pretrain", "train.objective.name=pgd", ("tokens", "'pgd'")),
        ("transfer", "transfer", f"{own} data.text.tokenizer=vocab.txt", ("4096", "6 tokens")),
        ("transfer", "transfer", f"{own} data.text.length=20", ("20", "positions=16")),
        ("evaluate", "parts", own, ("masked_tokens", "text_classification")),
        ("evaluate", "evaluate", f"{own} attacks.pgd.eps=0.1", ("tokens",)),
        ("transfer", "number", own, ("table.csv",)),
    ]
    for verb, which, options, named in refused:
        capsys.readouterr()
        words = [verb, f"--config=texts.py:{which}", "--workdir=runs", "--devices=1"]
        assert cli.main([*words, *(f"--config.{option}" for option in options.split())]) == 2, named
        error = capsys.readouterr().err
        assert all(each in error for each in named), error
        assert "Traceback" not in error
