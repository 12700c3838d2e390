"""What the fields of a study reach: seeds, branches, targets."""

from pathlib import Path

import pytest

from rtickets import stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    ObjectiveConfig,
    PretrainConfig,
    TransferConfig,
)
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.stages.grid import Cell, grid
from rtickets.stages.study import run_cell
from rtickets.stages.study_checks import check_study
from tests.stages.study.conftest import DRAWS, OTHER, PGD, TRAIN, config_with


@pytest.fixture
def drawn(monkeypatch):
    """The configurations that a cell draws with; nothing runs."""
    seen = []

    def fake(config, *arguments, **options):
        if isinstance(config, DrawConfig):
            seen.append(config)
        return RunFolder(Path("nowhere"), "0123456789")

    for name in ("pretrain", "draw", "transfer", "evaluate"):
        monkeypatch.setattr(stages, name, fake)
    return seen


@pytest.fixture
def pretrained(monkeypatch):
    """The configurations that are pretrained, by name; nothing runs."""
    seen = {}

    def fake(config, workdir, name, devices):
        seen[name] = config
        return RunFolder(Path("nowhere"), name)

    for name in ("draw", "transfer", "evaluate"):
        monkeypatch.setattr(stages, name, lambda *arguments: RunFolder(Path("nowhere"), "x"))
    monkeypatch.setattr(stages, "pretrain", fake)
    return seen


@pytest.mark.parametrize("label", DRAWS)
def test_the_seed_of_a_cell_reaches_everything_that_takes_one(drawn, label):
    config = config_with(draws=DRAWS, pretrain=PretrainConfig())
    cell = Cell(5, "natural", label, 0.8, "finetune")
    run_cell(config, cell, Path("nowhere"), parallel.local_devices(1))
    (found,) = drawn
    seeded = label in ("random", "snip", "grasp", "taylor", "shuffled", "of_lmp")
    assert found.seed == (5 if seeded else 0)
    assert found.sparsity == 0.8
    if found.train is not None:
        assert found.train.seed == 5
    same = {"seed": 0, "sparsity": 0.9}
    same |= {"train__seed": 0} if found.train is not None else {}
    assert config_files.replace(found, **same) == DRAWS[label]


def test_the_branches_of_a_comparison_are_pretrained_alike_but_for_the_objective(pretrained):
    robust = ObjectiveConfig(name="pgd")
    config = config_with(objectives={"natural": ObjectiveConfig(), "robust": robust})
    for cell in grid(config):
        run_cell(config, cell, Path("nowhere"), parallel.local_devices(1))
    natural, other = pretrained["natural-s0"], pretrained["robust-s0"]
    assert other == config_files.replace(natural, train__objective=robust)


def test_a_ticket_drawn_on_a_target_has_that_target_as_its_source():
    frozen = config_files.replace(TRAIN, statistics="frozen")
    few = DataConfig(source="digits", train_examples=200)
    run = TransferConfig(
        data=few,
        mode="linear",
        train=config_files.replace(frozen, batch_size=40),
        recalibrate=TransferRecalibrateConfig(on="source", batches=4, batch_size=100),
    )
    imp = DrawConfig(method="imp", data=few, train=config_files.replace(TRAIN, batch_size=40))
    with pytest.raises(InputError, match=r"t of imp: recalibrate: .* 400 .*200"):
        check_study(
            config_with(transfers={"t": run}, draws={"imp": imp}), parallel.local_devices(1)
        )
    on_source = config_files.replace(imp, data=None)
    check_study(
        config_with(transfers={"t": run}, draws={"imp": on_source}), parallel.local_devices(1)
    )


def test_whole_pretrainings_are_branches_beside_objectives(pretrained):
    config = config_with(objectives={"natural": ObjectiveConfig()}, pretrainings={"other": OTHER})
    assert {cell.objective for cell in grid(config)} == {"natural", "other"}
    for cell in grid(config):
        run_cell(config, cell, Path("nowhere"), parallel.local_devices(1))
    assert pretrained["other-s0"] == config_files.replace(OTHER, train__seed=0)
    assert pretrained["natural-s0"].data == config.pretrain.data


@pytest.mark.parametrize("branch", ["natural", "robust"])
def test_a_draw_trains_as_its_network_was_pretrained(drawn, branch):
    imp = DrawConfig(method="imp", train=TRAIN)
    config = config_with(
        objectives={"natural": ObjectiveConfig(), "robust": PGD},
        draws={"imp": imp, "same": imp},
        drawn_as_pretrained=("imp",),
    )
    for label in ("imp", "same"):
        cell = Cell(0, branch, label, 0.8, "finetune")
        run_cell(config, cell, Path("nowhere"), parallel.local_devices(1))
    own, same = drawn
    assert own.train.objective == config.objectives[branch]
    assert same.train.objective == ObjectiveConfig()
