"""Configurations of texts: the published choices, and what they take by a dry run."""

import json
from pathlib import Path

import pytest

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import (
    DrawConfig,
    EncoderConfig,
    ModelConfig,
    PretrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting
from rtickets.data.sources.texts.glue import GLUE
from rtickets.settings import config_files
from rtickets.stages import text_recipes
from rtickets.stages.registry import estimate

CONFIGS = Path(__file__).parents[2] / "configs"


def read(kind, path):
    return overrides.from_command_line(kind, [f"--config={CONFIGS / path}"])


def test_draws_have_the_published_arithmetic():
    masked, task = (read(DrawConfig, f"draw/bert.py{each}") for each in ("", ":task"))
    for config, first, states in ((masked, "prune", 6), (task, "train", 7)):
        way = config.method
        assert (way.rate, way.of, way.head, way.first) == (0.1, "original", "keep", first)
        assert way.states(0.7, 0.0) == states
        assert (way.rewind, way.optimizer, way.start) == ("0it", "reset", "pretrained")
        optimizer = config.train.optimizer
        assert (optimizer.schedule, optimizer.power, optimizer.clip_norm) == ("polynomial", 1, 1)
        assert (optimizer.epsilon, optimizer.weight_decay) == (1e-8, 0)
    assert (masked.train.duration, masked.method.stop) == ("100000it", "10000it")
    assert (task.train.duration, task.method.stop) == ("30ep", "3ep")
    assert (masked.train.optimizer.learning_rate, task.train.optimizer.learning_rate) == (
        5e-5,
        2e-5,
    )


@pytest.mark.parametrize("which", ["base", "wordnet", "small"])
def test_robust_pretraining_differs_in_the_objective_alone(which):
    natural, robust = (
        config_files.to_paths(
            config_files.to_dict(read(PretrainConfig, f"pretrain/bert.py:{which}{kind}"))
        )
        for kind in ("", "-robust")
    )
    different = {path for path in natural | robust if natural.get(path) != robust.get(path)}
    assert all(path.startswith("train.objective.") for path in different)
    hidden = natural.get("model.encoder.hidden", 768)
    assert robust["train.objective.features"] == hidden


def test_base_fits_its_dry_run(tmp_path, capsys):
    pytest.importorskip("tokenizers")
    (tmp_path / "texts.txt").write_text("a line of words\n" * 6000)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"word{number}" for number in range(30_522 - len(words))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    given = [
        f"--config.data.path={tmp_path / 'texts.txt'}",
        f"--config.data.text.tokenizer={tmp_path / 'vocab.txt'}",
        "--config.batch_size=8".replace("config.", "config.train."),
        "--config.data.validation_fraction=0.1",
    ]
    base = f"--config={CONFIGS / 'pretrain/bert.py'}"
    assert cli.main(["pretrain", base, *given, f"--workdir={tmp_path}", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "85.52 M prunable" in printed
    assert "tokens (512,) int32 of 30522 tokens" in printed
    maps = 2 * 512 * 12 * (4 * 768**2 + 2 * 768 * 3072)
    attention = 12 * 2 * 2 * 512**2 * 768
    head = 2 * 512 * 768 * (768 + 30_522)
    expected = (maps + attention + head) / 1e9
    said = float(printed.split(" GFLOP an image")[0].rpartition(" ")[2])
    assert said == pytest.approx(expected, rel=0.1)


def write_glue(folder, name):
    """Write small files of a task of GLUE."""
    glue = GLUE[name]
    columns = glue.header or (*glue.columns, glue.label)
    own = folder / glue.folder
    own.mkdir()
    labels = list(glue.classes) or ["1.5", "3"]
    cells = [[labels[n % len(labels)] if c == glue.label else f"text {n}" for c in columns]
             for n in range(200)]  # fmt: skip
    lines = [] if glue.header else ["\t".join(columns)]
    lines += ["\t".join(row) for row in cells]
    for file in ("train", glue.test):
        (own / f"{file}.tsv").write_text("\n".join(lines) + "\n")


def write_squad(folder):
    about = [f"the number {n} is in the text" for n in range(40)]
    answers = [{"text": "number", "answer_start": 4}]
    data = [
        {"paragraphs": [{"context": text, "qas": [
            {"id": text, "question": "which?", "answers": answers}
        ]}]}
        for text in about
    ]  # fmt: skip
    for name in ("train", "dev"):
        (folder / f"{name}-v1.1.json").write_text(json.dumps({"data": data}))


@pytest.mark.parametrize("which", [*text_recipes.GLUE, "squad"])
def test_published_transfers_and_draws_of_every_task_fit_a_dry_run(tmp_path, which):
    squad = which == "squad"
    write_squad(tmp_path) if squad else write_glue(tmp_path, which)
    words = [f"--config.data.path={tmp_path}"]
    draw = overrides.from_command_line(
        DrawConfig, [f"--config={CONFIGS / 'draw/bert.py'}:{which}", *words]
    )
    moved = overrides.from_command_line(
        TransferConfig, [f"--config={CONFIGS / 'transfer/text.py'}:{which}", *words]
    )
    train = moved.train
    found = (train.duration, train.batch_size, train.optimizer.learning_rate, train.select)
    assert found == (("4ep", 16, 3e-5, "last") if squad else ("3ep", 32, 2e-5, "last"))
    assert draw.data == moved.data
    rounds = (draw.train.duration, draw.method.stop)
    assert rounds == (("220000it", "22000it") if squad else ("30ep", "3ep"))
    assert (draw.method.first, draw.method.of) == ("train", "original")
    text = moved.data.text
    assert (text.length, text.stride) == ((384, 128) if squad else (128, 128))
    sizes = EncoderConfig(layers=2, hidden=64, heads=2, vocabulary=4096)
    model = ModelConfig(arch="bert", encoder=sizes)
    (estimated,) = estimate(moved, Setting(model))
    assert f"tokens ({text.length},) int32 of 4096 tokens" in estimated.about[0]
    assert "moves every surviving weight; normalisation is of every token" in estimated.about[-1]
    assert estimated.memory["activations"] > 0


def test_glue_has_all_its_tasks_here():
    assert {*text_recipes.GLUE, "glue_mnli_mismatched"} == set(GLUE)
