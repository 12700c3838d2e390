"""The published experiments as studies, at their own scale and small."""

from pathlib import Path

import pytest

from rtickets.cli import overrides
from rtickets.config import StudyConfig
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.stages.demo import demo_study

ROOT = Path(__file__).parents[2] / "configs"
NAMES = (
    "omp_finetune",
    "omp_linear",
    "omp_tasks",
    "patterns",
    "iterative",
    "learnt_masks",
    "properties",
    "smoothing",
    "domain_gap",
    "inversion",
)


def study(name, argument=""):
    return overrides.from_command_line(
        StudyConfig, [f"--config={ROOT}/studies/{name}.py{argument}"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_small_studies_share_the_networks_of_the_demo(name):
    small = study(name, ":small")
    demo = demo_study()
    assert small.name == f"{name}_small"
    assert len(small.seeds) >= 3
    assert set(small.seeds) >= set(demo.seeds)
    assert small.pretrain == demo.pretrain
    assert demo.objectives.items() <= small.objectives.items()


@pytest.mark.parametrize("name", NAMES)
def test_both_sizes_compare_the_same_things(name):
    full, small = study(name), study(name, ":small")
    assert full.name == name
    assert set(full.draws) == set(small.draws)
    assert set(full.evaluate.measures) == set(small.evaluate.measures)
    assert len(full.objectives) >= len(small.objectives)
    assert full.pretrain.data.source == "imagenet2012"
    assert set(full.seeds) <= set(small.seeds)
    modes, small_modes = ({run.mode for run in each.transfers.values()} for each in (full, small))
    assert modes == small_modes


@pytest.mark.parametrize("name", NAMES)
def test_branches_differ_in_the_objective_alone_and_the_rates_are_published(name):
    full = study(name)
    assert full.baseline == "natural"
    for transfer in full.transfers.values():
        train = transfer.train
        assert train.duration in ("150ep", "160ep")
        assert train.optimizer.weight_decay == 5e-4
        assert train.statistics == "batch"


def test_ladders_are_the_published_ones():
    ladder = study("omp_finetune").sparsities
    assert len(ladder) == 18
    assert (ladder[0], ladder[8], ladder[9], ladder[-1]) == (0.1, 0.9, 0.91, 0.99)
    assert study("iterative").sparsities == imp_ladder(19)
    assert study("learnt_masks").sparsities == experiments.TENTHS


@pytest.mark.parametrize(("argument", "radius"), [("cifar10", 3), ("cifar100,resnet50", 1)])
def test_the_radius_is_that_of_the_target(argument, radius):
    config = study("omp_finetune", f":{argument}")
    robust = next(each for label, each in config.objectives.items() if label != "natural")
    assert (robust.attack.norm, robust.attack.eps) == ("l2", radius)
    assert config.pretrain.model.arch == [*argument.split(","), "resnet18"][1]


def test_adversarial_drawing_differs_in_the_objective_alone():
    draws = study("iterative").draws
    for place in ("source", "target"):
        natural, adversarial = (draws[f"{kind}_{place}"] for kind in ("imp", "aimp"))
        objective = adversarial.train.objective
        assert (objective.attack.name, objective.attack.eps) == ("fgsm_rs", 4 / 255)
        assert config_files.replace(natural, train__objective=objective) == adversarial


@pytest.mark.parametrize("statistics", ["adapt", "source", "target", "frozen"])
def test_what_happens_to_statistics_is_as_asked(statistics):
    transfer = experiments.few("digits", "linear", statistics)
    assert (transfer.train.statistics == "batch") == (statistics == "adapt")
    on = transfer.recalibrate.on if transfer.recalibrate else None
    assert on == (statistics if statistics in ("source", "target") else None)


def test_a_ladder_of_rates_is_chosen_from_on_validation_images():
    transfer = experiments.few("digits", "finetune", rates=(0.1, 0.3))
    assert transfer.learning_rates == (0.1, 0.3)
    assert transfer.train.validate_every == transfer.train.duration
