"""The published settings of segmentation, and its studies, as far as no data are needed."""

from pathlib import Path

import pytest

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import StudyConfig, TransferConfig
from rtickets.costs import network_costs

ROOT = Path(__file__).parents[2] / "configs"


def transfer(argument=""):
    return overrides.from_command_line(
        TransferConfig, [f"--config={ROOT}/transfer/deeplab.py{argument}"]
    )


def study(size):
    return overrides.from_command_line(
        StudyConfig, [f"--config={ROOT}/studies/segmentation.py:{size}"]
    )


def test_the_published_settings_are_those_of_the_paper_s_code():
    found = transfer()
    train, data, task = found.train, found.data, found.data.task
    assert (train.duration, train.batch_size) == ("30000it", 4)
    optimizer = train.optimizer
    assert (optimizer.name, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 1e-4)
    assert (optimizer.schedule, optimizer.power, optimizer.learning_rate) == (
        "polynomial",
        0.9,
        0.01,
    )
    assert optimizer.learning_rate_factors == ("(?!head/).*=0.1",)
    assert (data.source, data.image_size, data.random_scale) == ("voc2012", 513, (0.5, 2.0))
    assert (task.output_stride, task.channels, task.ignored) == (16, 256, 255)
    assert transfer(":voc2012_aug,linear").mode == "linear"


@pytest.mark.parametrize("size", ["full", "small"])
def test_studies_have_a_random_mask_and_the_network_from_random_weights(size):
    found = study(size)
    assert set(found.objectives) == {"natural", {"full": "l2_0_05", "small": "robust"}[size]}
    assert {label: draw.control for label, draw in found.draws.items()} == {
        "omp": None, "random": "random", "reinitialised": "reinitialised",
    }  # fmt: skip
    assert len(found.sparsities) >= 3
    assert found.ladder("reinitialised") == (0.0,)
    assert len(found.seeds) == 3
    spared = {draw.exclude for draw in found.draws.values()}
    assert spared == {{"full": "stem_conv/kernel", "small": None}[size]}


def test_a_dry_run_estimates_the_published_study(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)
    words = [f"--config={ROOT}/studies/segmentation.py", "--dry-run", f"--workdir={tmp_path}"]
    assert cli.main(["study", *words]) == 0
    out = capsys.readouterr().out
    assert "voc2012: 1,318 images of 513x513x3, 21 classes" in out
    assert "30,000 steps" in out
    assert "nothing was trained" in out
