"""What a study sets itself is refused where a user sets it."""

import pytest

from rtickets.config import StudyConfig
from rtickets.errors import InputError
from rtickets.settings import config_files


@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ({"draws": {"omp": {"sparsity": 0.4}}}, "sparsities"),
        ({"draws": {"omp": {"ticket": "runs/one"}}}, "leave it out"),
        ({"draws": {"omp": {"criterion": "random", "seed": 3}}}, "seeds"),
        ({"pretrain": {"train": {"seed": 1}}}, "seeds"),
        ({"pretrain": {"train": {"objective": {"name": "pgd"}}}}, "objectives"),
        ({"transfers": {"finetune": {"train": {"seed": 1}}}}, "seeds"),
        ({"transfers": {"finetune": {"ticket": "runs/one"}}}, "leave it out"),
        ({"evaluate": {"ticket": "runs/one"}}, "leave it out"),
    ],
    ids=str,
)
def test_a_setting_that_would_change_nothing_is_refused(setting, instead):
    with pytest.raises(InputError, match=instead):
        config_files.parse(StudyConfig, setting)


def test_a_draw_may_have_a_sparsity_of_its_ladder():
    draws = {"draws": {"omp": {"pattern": "2:4", "sparsity": 0.5}}}
    assert config_files.parse(StudyConfig, {**draws, "sparsities": (0.5,)}).draws
    assert config_files.parse(StudyConfig, {**draws, "ladders": {"omp": (0.5,)}}).draws
    with pytest.raises(InputError, match="sparsities"):
        config_files.parse(StudyConfig, {**draws, "sparsities": (0.6,)})


def test_the_usual_values_may_be_written_out():
    usual = config_files.to_dict(StudyConfig())
    assert config_files.parse(StudyConfig, usual) == StudyConfig()
