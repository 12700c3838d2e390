"""The configurations of all ways of drawing."""

from pathlib import Path

import pytest

from rtickets.cli import overrides
from rtickets.config import DrawConfig, StudyConfig
from rtickets.draw.ladder import states_to
from rtickets.settings import config_files

ROOT = Path(__file__).parents[2] / "configs"
SIZES = ["full", "small"]


def read(cls, file):
    return overrides.from_command_line(cls, [f"--config={ROOT / file}"])


def study(size):
    return read(StudyConfig, f"studies/schemes.py:{size}")


@pytest.mark.parametrize("name", ["imp", "aimp"])
def test_iterative_pruning_draws_upstream_or_downstream(name):
    assert read(DrawConfig, f"draw/{name}.py").data is None
    assert read(DrawConfig, f"draw/{name}.py:mnist5k").data.source == "mnist5k"


def test_masks_are_learnt_downstream_or_upstream():
    assert read(DrawConfig, "draw/lmp.py").data.source == "mnist5k"
    assert read(DrawConfig, "draw/lmp.py:source").data is None


def test_adversarial_iterative_pruning_differs_in_the_objective_alone():
    natural, adversarial = (read(DrawConfig, f"draw/{name}.py") for name in ("imp", "aimp"))
    objective = adversarial.train.objective
    assert (objective.name, objective.attack.name) == ("pgd", "fgsm_rs")
    assert config_files.replace(natural, train__objective=objective) == adversarial


@pytest.mark.parametrize("size", SIZES)
def test_the_study_has_all_schemes_and_controls_at_the_same_sparsities(size):
    config = study(size)
    methods = {draw.method.name for draw in config.draws.values()}
    controls = {draw.control for draw in config.draws.values()}
    assert methods == {"omp", "imp", "lmp"}
    assert controls == {None, "random", "shuffled", "complement", "flipped", "reinitialised"}
    assert {config.ladder(label) for label in config.draws} == {config.sparsities}
    imp, aimp = config.draws["imp"], config.draws["aimp"]
    objective = aimp.train.objective
    assert config_files.replace(imp, train__objective=objective) == aimp != imp


@pytest.mark.parametrize("size", SIZES)
def test_every_sparsity_of_the_study_is_a_state_of_one_chain(size):
    config = study(size)
    rate = config.draws["imp"].method.rate
    longest = states_to(max(config.sparsities), rate)
    assert set(config.sparsities) <= set(longest)
