"""Configurations of texts: the published choices, and what they take by a dry run."""

from pathlib import Path

import pytest

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import DrawConfig, PretrainConfig
from rtickets.settings import config_files

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
