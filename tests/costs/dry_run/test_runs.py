"""Estimates of runs and studies: what they add up to, what they refuse, and the option."""

import pytest

from rtickets import cli
from rtickets.config import (
    DataConfig,
    DrawConfig,
    ModelConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting, as_text, network_costs
from rtickets.costs.network_costs import network_cost
from rtickets.costs.task_sizes import sizes_of
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.stages import recipes, text_recipes
from rtickets.stages.draw import STAGE
from rtickets.stages.draw_costs import estimate_draw
from rtickets.stages.draw_settings import CheckConfig
from rtickets.stages.registry import estimate
from tests.costs.dry_run.conftest import ROOT, TINY


def test_a_training_run_adds_up():
    train = TrainConfig(duration="10it", batch_size=100, validate_every="5it")
    (found,) = estimate(PretrainConfig(model=TINY, train=train), Setting(devices=2))
    cost = network_cost(TINY, 10, (28, 28, 1))
    assert found.operations == pytest.approx(cost.forward * (10 * 100 * 3 + 2 * 1_200))
    assert found.memory["weights"] == 4 * 4 * cost.weights
    assert found.memory["activations"] == 50 * cost.activations
    assert "10 steps" in found.about[1]


def test_a_batch_that_does_not_fit_is_refused():
    config = TransferConfig(
        data=DataConfig(source="mnist5k", train_examples=50), train=TrainConfig(batch_size=64)
    )
    with pytest.raises(InputError, match=r"batch_size=64 .*50 training examples"):
        estimate(config, Setting(TINY))


@pytest.mark.parametrize(
    ("name", "stem", "forward"),
    [
        ("food101", "imagenet", 3.5e9),
        ("cifar10", "imagenet", 3.5e9),
        ("svhn_cropped", "small", 1e9),
    ],
)
def test_without_a_ticket_the_network_fits_the_images_and_is_named(name, stem, forward):
    config = recipes.transfer(name)
    (found,) = estimate(config, Setting())
    assert found.about[-1] == f"no ticket given: a resnet18 with the {stem} stem is assumed"
    task = sizes_of(config.data)
    cost = network_cost(ModelConfig(stem=stem), task.outputs, task.shape)
    assert cost.forward == pytest.approx(forward, rel=0.2)
    images = 150 * (task.train // config.train.batch_size) * config.train.batch_size
    assert found.operations == pytest.approx(cost.forward * (3 * images + 30 * task.validation))
    (given,) = estimate(config, Setting(TINY))
    assert "no ticket given" not in as_text([given], 1e12, 1)


def test_states_of_iterative_pruning_are_counted_from_the_ticket_s_sparsity():
    draw = DrawConfig(method="imp", sparsity=0.5, train=TrainConfig(duration="10it"))
    network = ModelConfig(width=0.125)
    task = sizes_of(DataConfig())
    for lost, states in ((0.0, 4), (0.36, 2)):
        found = estimate_draw(draw, task, network, devices=1, removed=lost)
        assert f"each of {states} states" in found.name
    with pytest.raises(InputError, match=r"sparsity=0\.5 is reached already"):
        estimate_draw(draw, task, network, devices=1, removed=0.6)


@pytest.mark.parametrize("method", ["omp", "imp", "lmp"])
def test_looking_whether_a_ticket_is_broken_is_counted(method):
    train = None if method == "omp" else TrainConfig(duration="10it")
    draw = DrawConfig(method=method, sparsity=0.5, train=train)
    checked = config_files.replace(draw, check=CheckConfig(batch_size=20, batches=5))
    task, network = sizes_of(DataConfig()), ModelConfig(width=0.125)
    without = 0.0 if method == "omp" else estimate_draw(draw, task, network, devices=1).operations
    found = estimate_draw(checked, task, network, devices=1)
    forward = network_cost(network, 10, task.shape).forward
    # as it is, with statistics estimated anew, for constant outputs; and what they are estimated on
    assert found.operations - without == pytest.approx(
        forward * (3 * checked.check.examples + checked.check.count)
    )
    assert f"checked on {checked.check.examples} images" in found.about


def test_a_study_counts_its_grid():
    config = StudyConfig(
        seeds=(0, 1),
        pretrain=PretrainConfig(model=TINY),
        sparsities=(0.5, 0.9),
        transfers={"few": TransferConfig(data=DataConfig(source="mnist5k", train_examples=200))},
    )
    found = {one.name: one.times for one in estimate(config, Setting(TINY))}
    assert found == {
        "pretrain, natural": 2,
        "pretrain, robust": 2,
        "omp: draw, omp": 8,
        "transfer, few": 12,
        "evaluate, mnist5k": 12,
        "evaluate, fashion_mini": 4,
    }


def test_branches_of_other_data_are_counted_by_themselves():
    imp = DrawConfig(method="imp", train=TrainConfig(duration="10it"))
    config = StudyConfig(
        pretrain=PretrainConfig(model=TINY),
        pretrainings={"digits": PretrainConfig(data=DataConfig(source="digits"), model=TINY)},
        sparsities=(0.36,),
        draws={"omp": DrawConfig(), "imp": imp},
        drawn_as_pretrained=("imp",),
        transfers={"few": TransferConfig(data=DataConfig(source="mnist5k", train_examples=200))},
    )
    found = {one.name: one for one in estimate(config, Setting(TINY))}
    assert {name: one.times for name, one in found.items()} == {
        "pretrain, natural": 1,
        "pretrain, robust": 1,
        "natural: omp: draw, omp": 2,
        "natural: imp of natural: draw, imp, sparsity 0.36, each of 2 states": 2,
        "natural: imp of robust: draw, imp, sparsity 0.36, each of 2 states": 2,
        "natural: transfer, few": 6,
        "natural: evaluate, mnist5k": 6,
        "natural: evaluate, fashion_mini": 2,
        "pretrain, digits": 1,
        "digits: omp: draw, omp": 1,
        "digits: imp of digits: draw, imp, sparsity 0.36, each of 2 states": 2,
        "digits: transfer, few": 3,
        "digits: evaluate, mnist5k": 3,
        "digits: evaluate, digits": 1,
    }
    natural, robust = (
        found[f"natural: imp of {branch}: draw, imp, sparsity 0.36, each of 2 states"]
        for branch in ("natural", "robust")
    )
    assert robust.operations > 2 * natural.operations


def test_a_task_of_texts_without_a_ticket_asks_for_one():
    with pytest.raises(InputError, match=r"tokens .* of glosses_mini cannot.*--config.ticket"):
        estimate(text_recipes.TRANSFERS["small"](), Setting())


def test_the_option_prints_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 2e12)
    words = ["pretrain", f"--config={ROOT / 'configs/pretrain/fashion_robust.py'}", "--dry-run"]
    assert cli.main([*words, f"--workdir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "pretrain, pgd" in out
    assert "7 forward passes' worth of work per image" in out
    assert "at 2,000 GFLOP/s" in out
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):  # of verbs that compute nothing
        cli.main(["report", "--dry-run"])


def test_the_rate_of_this_machine_is_measured():
    from rtickets.platform import parallel

    assert 1e8 < network_costs.measured_rate(parallel.local_devices(1)) < 1e16


def test_a_dry_run_refuses_a_pattern_that_the_sparsity_does_not_fit():
    config = DrawConfig(pattern="2:4", sparsity=0.9)
    with pytest.raises(InputError, match=r"removes 0\.5, not sparsity=0\.9"):
        STAGE.estimate(config, None)
