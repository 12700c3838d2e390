"""A task of a user's own through the command line: source, task and measure are in their file."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import Ticket, cli, masks, models
from rtickets.costs.network_costs import network_cost
from rtickets.data import SOURCES
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics
from rtickets.tasks import TASKS

FILE = '''
"""How bright is the dial? A number is read off an image."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, ModelConfig, ObjectiveConfig,
    OptimizerConfig, PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.settings import config_files
from rtickets.tasks import TASKS, Headline, ImageTask, Measured


@dataclass(frozen=True)
class Reading(ImageTask):
    name: Literal["reading"] = "reading"
    scale: float = 1.0
    headline = Headline("mse", "lux^2", higher_is_better=False)

    def width(self, about):
        return 1

    def loss(self, outputs, batch, reduce=None):
        return (self.scale * outputs[:, 0] - batch["target"]) ** 2

    def sums(self, outputs, batch):
        error = self.loss(outputs, batch)
        return {"sum": error.sum(), "squares": (error**2).sum(), "count": jnp.int32(error.size)}

    def measures(self, sums):
        mean, count = float(sums["sum"]) / int(sums["count"]), int(sums["count"])
        half = 1.96 * (max(float(sums["squares"]) / count - mean**2, 0) / count) ** 0.5
        return {"mse": Measured(mean, mean - half, mean + half, "lux^2", False)}


TASKS["reading"] = Reading


def dial(seed):
    def load(config, view):
        generator = np.random.default_rng(seed)
        target = generator.uniform(0, 1, 60).astype(np.float32)
        noise = generator.integers(-20, 21, (60, 8, 8, 1))
        images = np.clip(255 * target[:, None, None, None] + noise, 0, 255).astype(np.uint8)
        return Raw(Split({"image": images, "target": target}), None)

    return load


SOURCES["dial"] = Source(dial(0), "dials", "", task=Reading())
SOURCES["gauge"] = Source(dial(1), "gauges", "", task=Reading())
ATTACK = AttackConfig(eps=0.1, num_steps=2, step_size=0.05)


def get_config(which):
    verb, _, how = which.partition("-")
    objective = ObjectiveConfig(name="pgd", attack=ATTACK) if how == "pgd" else ObjectiveConfig()
    train = TrainConfig(
        objective=objective, duration="8it", batch_size=8, validate_every="4it",
        checkpoint_every="4it", optimizer=OptimizerConfig(learning_rate=0.02, schedule="constant"),
    )
    examples = dict(examples=16, batch_size=8)
    return config_files.editable({
        "data": DataConfig(source="dial"),
        "pretrain": PretrainConfig(DataConfig(source="dial"), ModelConfig(width=0.0625), train),
        "draw": DrawConfig(criterion=how, **examples, attack=ATTACK) if how == "snip"
                else DrawConfig(criterion="magnitude"),
        "transfer": TransferConfig(data=DataConfig(source="gauge"), train=train),
        "evaluate": EvaluateConfig(attacks={"pgd": ATTACK} if how else {}, honesty_examples=0),
    }[verb])
'''


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A network of one block in place of the architectures, and registries left as they were."""

    def build(arch, outputs, *, mean=(0.0,), std=(1.0,), **_):
        return ResNet((1,), BasicBlock, outputs, width=4, stem="small", mean=mean, std=std)

    monkeypatch.setattr("rtickets.models.registry.build", build)
    monkeypatch.chdir(tmp_path)
    network_cost.cache_clear()
    Path("reading.py").write_text(FILE)
    before = [(entries, dict(entries)) for entries in (TASKS, SOURCES)]
    yield
    for entries, kept in before:
        entries.clear()
        entries.update(kept)
    network_cost.cache_clear()


def run(verb, how="", *options, workdir="runs", dry=True):
    which = f"{verb}-{how}" if how else verb
    words = [verb, f"--config=reading.py:{which}", f"--workdir={workdir}", "--devices=1"]
    words += [f"--config.{option}" for option in options]
    if dry:
        assert cli.main([*words, "--dry-run"]) == 0
    before = set(Path(workdir).glob("*"))
    assert cli.main(words) == 0
    (folder,) = set(Path(workdir).glob(f"{verb}-*")) - before
    return folder


def examples(source, part, count=60):
    """Return images in [0, 1] and targets of the split that the package must have made."""
    raw = SOURCES[source].load(None, None).train.arrays
    chosen = np.arange(count)
    for fraction, name in ((0.2, "test"), (0.1, "validation")):
        held = np.random.default_rng(0).permutation(chosen)[: round(len(chosen) * fraction)]
        if name == part:
            chosen = np.sort(held)
            break
        chosen = np.setdiff1d(chosen, held)
    return raw["image"][chosen].astype(np.float32) / 255, raw["target"][chosen]


def error_of(folder, source, part):
    ticket = Ticket.load(folder / "ticket")
    model = ResNet(
        (1,), BasicBlock, 1, width=4, stem="small", mean=tuple(ticket.meta["mean"]),
        std=tuple(ticket.meta["std"]),
    )  # fmt: skip
    images, targets = examples(source, part)
    outputs = models.logits(model, ticket.params, ticket.batch_stats, images)
    return float(np.mean((np.asarray(outputs)[:, 0] - targets) ** 2))


def test_from_pretraining_to_a_measured_ticket(capsys):
    dense = {how: run("pretrain", how) for how in ("", "pgd")}
    assert "1 outputs" in capsys.readouterr().out
    for folder in dense.values():
        lines = read_metrics(folder / "metrics.jsonl")
        assert lines[-1]["loss"] < lines[0]["loss"]
        meta = Ticket.load(folder / "ticket").meta
        assert meta["asks"] == {"name": "reading", "scale": 1.0}
        assert "class_names" not in meta
        chosen = RunFolder(folder, "").result()["validation"]
        assert chosen == pytest.approx(min(line["validation"] for line in lines), rel=1e-6)
    source = f"ticket={dense['']}"
    tickets = {how: run("draw", how, source, "sparsity=0.8") for how in ("magnitude", "snip")}
    drawn = {how: Ticket.load(folder / "ticket") for how, folder in tickets.items()}
    for ticket in drawn.values():
        assert masks.sparsity(ticket.mask) == pytest.approx(0.8, abs=0.01)
    assert masks.overlap(*(ticket.mask for ticket in drawn.values()))[""] < 0.95
    moved = run("transfer", "", f"ticket={tickets['snip']}")
    kept = jax.tree.leaves(Ticket.load(moved / "ticket").mask["stem_conv"])
    np.testing.assert_array_equal(kept, jax.tree.leaves(drawn["snip"].mask["stem_conv"]))
    assert RunFolder(dense[""], "").result()["validation"] == pytest.approx(
        error_of(dense[""], "dial", "validation"), rel=1e-4
    )
    for folder, data, how in ((moved, "gauge", "pgd"), (dense["pgd"], "dial", "")):
        result = RunFolder(run("evaluate", how, f"ticket={folder}"), "").result()
        expected = error_of(folder, data, "test")
        assert result["clean"]["value"] == pytest.approx(expected, rel=1e-4)
        assert result["clean"]["examples"] == 12
        assert result["headline"]["unit"] == "lux^2"
        assert not result["headline"]["higher_is_better"]
        if how:
            assert result["attacks"]["pgd"]["value"] > expected


def test_the_data_are_described(capsys):
    assert cli.main(["data", "info", "--config=reading.py:data"]) == 0
    printed = capsys.readouterr().out
    assert "reading, of image (8, 8, 1) uint8, target () float32" in printed
    assert "mse" in printed
    assert "classes" not in printed


def test_a_killed_run_ends_bit_equal(ends_bit_equal):
    ends_bit_equal(run("pretrain", "pgd", dry=False), "reading", "pretrain-pgd")


def test_what_does_not_fit_is_one_line(capsys):
    folder = run("pretrain", dry=False)
    refused = [
        ("evaluate", "data.source=digits", "reading"),  # another task
        ("draw", "data.source=digits", "reading"),
        ("transfer", "train.objective.name=trades", "Reading"),
    ]
    capsys.readouterr()
    for verb, option, named in refused:
        which = f"{verb}-snip" if verb == "draw" else verb
        words = [verb, f"--config=reading.py:{which}", "--workdir=runs", "--devices=1"]
        words += [f"--config.ticket={folder}", f"--config.{option}"]
        assert cli.main(words) == 2
        error = capsys.readouterr().err
        assert named in error
        assert "Traceback" not in error
    del TASKS["reading"]
    evaluation = ["evaluate", f"--config.ticket={folder}", "--workdir=runs", "--devices=1"]
    assert cli.main(evaluation) == 2
    error = capsys.readouterr().err
    assert "'reading'" in error
    assert "TASKS" in error


def test_the_task_of_the_source_is_part_of_what_a_run_is():
    first = run("pretrain", dry=False)
    Path("reading.py").write_text(
        FILE.replace('"dials", "", task=Reading()', '"dials", "", task=Reading(scale=2.0)')
    )
    second = run("pretrain", dry=False)
    assert second != first
    third = run("pretrain", "", "data.task=reading", "data.task.scale=3", dry=False)
    scales = [Ticket.load(each / "ticket").meta["asks"]["scale"] for each in (first, second, third)]
    assert scales == [1, 2, 3]
    assert json.loads((third / "config.json").read_text())["data"]["task"]["scale"] == 3
