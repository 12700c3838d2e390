"""Masked tokens: integers of two kinds instead of an image, from a user's own file to a ticket."""

import numpy as np
import pytest

from rtickets import Ticket, cli, masks
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

FILE = '''
"""Which token is hidden? Every token follows the one before it by a rule; some are padding."""

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic.dataclasses import dataclass

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, ModelConfig, ObjectiveConfig,
    PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.models import ARCHITECTURES, Architecture, BackboneAndHead, Features, LinearHead
from rtickets.settings import config_files
from rtickets.tasks import TASKS, ArrayTask, Headline, Measured

WORDS, HIDDEN = 7, 7  # the last is the sign of a hidden token


class PlacesHead(nn.Module):
    words: int

    @nn.compact
    def __call__(self, found):
        return nn.Dense(self.words, name="out")(found.levels["last"])


class Encoder(BackboneAndHead):
    num_classes: int
    make_head: Callable = LinearHead

    @nn.compact
    def features(self, x, train=False):
        assert set(x) == {"tokens", "attended"}
        known = nn.Embed(WORDS + 1, 8, name="embed")(x["tokens"])
        beside = jnp.concatenate([jnp.roll(known, 1, 1), known, jnp.roll(known, -1, 1)], -1)
        found = nn.relu(nn.Dense(16, name="dense")(beside)) * x["attended"][..., None]
        return Features({"last": found}, found.mean(1))


@dataclass(frozen=True)
class Hidden(ArrayTask):
    name: Literal["hidden"] = "hidden"
    share: float = 0.3
    inputs = ("tokens", "attended")
    headline = Headline("hidden", "share", words="hidden tokens")
    head = PlacesHead
    answers = "words"

    def width(self, about):
        return WORDS

    def _hide(self, keys, raw):
        shape = raw["tokens"].shape[1:]
        drawn = jax.vmap(lambda key: jax.random.uniform(key, shape))(keys)
        hidden = (drawn < self.share) & raw["attended"].astype(bool)
        return {**raw, "tokens": jnp.where(hidden, HIDDEN, raw["tokens"]),
                "word": raw["tokens"], "hidden": hidden}

    def prepare(self, transform, raw):
        keys = jax.vmap(jax.random.key)(raw["tokens"].sum(1))  # the same at every validation
        return self._hide(keys, raw)

    def augment(self, transform, keys, raw):
        return self._hide(keys, raw)

    def loss(self, outputs, batch, reduce=None):
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, batch["word"])
        count = jnp.maximum(batch["hidden"].sum(1), 1)
        return (losses * batch["hidden"]).sum(1) / count

    def sums(self, outputs, batch):
        right = (outputs.argmax(-1) == batch["word"]) & batch["hidden"]
        return {"right": right.sum(), "hidden": batch["hidden"].sum()}

    def measures(self, sums):
        value = float(sums["right"]) / max(int(sums["hidden"]), 1)
        return {"hidden": Measured(value, value, value, "share")}


def sequences(config, view):
    generator = np.random.default_rng(0)
    tokens = (generator.integers(0, WORDS, (80, 1)) + np.arange(12)).astype(np.int32) % WORDS
    attended = (np.arange(12) < generator.integers(8, 13, (80, 1))).astype(np.uint8)
    return Raw(Split({"tokens": tokens, "attended": attended}), None)


TASKS["hidden"] = Hidden
SOURCES["sequences"] = Source(sequences, "80 sequences", needs="", task=Hidden())
ARCHITECTURES["encoder"] = Architecture(
    lambda asked: Encoder(asked.num_classes, asked.shared["make_head"]), images=False
)
DATA = DataConfig(source="sequences")


def get_config(which):
    train = TrainConfig(duration="40it", batch_size=16, validate_every="20it")
    return config_files.editable({
        "pretrain": PretrainConfig(DATA, ModelConfig(arch="encoder"), train),
        "image": PretrainConfig(DATA, ModelConfig(arch="resnet18"), train),
        "draw": DrawConfig(criterion="snip", sparsity=0.5, examples=16, batch_size=8),
        "imp": DrawConfig(method="imp", sparsity=0.36, train=train),
        "transfer": TransferConfig(data=DATA, train=train),
        "evaluate": EvaluateConfig(batch_size=5),
        "attack": EvaluateConfig(attacks={"pgd": AttackConfig(eps=0.1)}),
        "info": DATA,
    }[which])
'''


def test_tokens_are_learnt_drawn_transferred_and_measured(own_file, capsys):
    run = own_file("sequences", FILE)
    dense = run("pretrain")
    assert "examples of tokens (12,) int32, attended (12,) uint8" in capsys.readouterr().out
    lines = read_metrics(dense / "metrics.jsonl")
    assert lines[-1]["validation"] > 0.4  # chance is a seventh
    ticket = Ticket.load(dense / "ticket")
    assert ticket.meta["inputs"] == [["tokens", [12], "int32"], ["attended", [12], "uint8"]]
    assert "image_shape" not in ticket.meta
    for how in ("draw", "imp"):
        drawn = run("draw", f"ticket={dense}", config=how)
        mask = Ticket.load(drawn / "ticket").mask
        expected = 0.5 if how == "draw" else 0.36
        assert masks.sparsity(mask) == pytest.approx(expected, abs=0.01)
        assert np.ndim(mask["embed"]["embedding"]) == 0
    moved = run("transfer", f"ticket={drawn}")
    result = RunFolder(run("evaluate", f"ticket={moved}"), "").result()
    assert result["clean"]["examples"] == 16
    assert result["headline"]["name"] == "hidden"
    assert result["clean"]["value"] > 0.4


@pytest.mark.parametrize(
    "policy",
    [
        "first=prune head=reset optimizer=keep",
        "start=random rewind=2it optimizer=rewind head=keep",
        "rewind=none head=keep statistics=keep stop=3it",
        "rewind=best of=original",
    ],
)
def test_iterating_knows_no_task(own_file, policy):
    run = own_file("sequences", FILE)
    short = ["train.duration=4it", "train.validate_every=2it"]
    dense = run("pretrain", *short)
    options = [f"method.{each}" for each in policy.split()]
    drawn = run("draw", f"ticket={dense}", *short, *options, config="imp")
    assert masks.sparsity(Ticket.load(drawn / "ticket").mask) == pytest.approx(0.36, abs=0.01)


def test_what_tokens_are_not_is_one_line(own_file, capsys):
    run = own_file("sequences", FILE)
    assert cli.main(["data", "info", "--config=sequences.py:info"]) == 0
    printed = capsys.readouterr().out
    assert "tokens (12,) int32, attended (12,) uint8" in printed
    assert "mean, std" not in printed
    dense = run("pretrain", "train.duration=1it", "train.validate_every=1it")
    refused = [
        ("pretrain", "image", "", ("resnet18", "pixel statistics")),
        ("pretrain", "pretrain", "train.objective.name=pgd", ("Hidden", "tokens", "'pgd'")),
        ("pretrain", "pretrain", "train.objective.name=gaussian", ("Hidden", "'gaussian'")),
        ("evaluate", "attack", f"ticket={dense}", ("Hidden", "attacks.pgd")),
        ("evaluate", "evaluate", f"ticket={dense} data.source=digits", ("hidden", "digits")),
        ("transfer", "transfer", f"ticket={dense} data.source=digits", ("tokens", "image")),
    ]
    for verb, which, options, named in refused:
        capsys.readouterr()
        words = [verb, f"--config=sequences.py:{which}", "--workdir=runs", "--devices=1"]
        assert cli.main([*words, *(f"--config.{option}" for option in options.split())]) == 2
        error = capsys.readouterr().err
        assert all(each in error for each in named), error
        assert "Traceback" not in error
