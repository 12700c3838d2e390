import pytest

from rtickets.config import DrawConfig, ImpConfig, StudyConfig, TrainConfig
from rtickets.settings import config_files
from rtickets.stages.earlier_draws import with_ways_of_today

IMP = {
    "rate": 0.5, "of": "original", "rewind": "0it", "statistics": "keep", "head": "rewind",
    "optimizer": "reset",
}  # fmt: skip
GATE = {"name": "top", "train_head": False, "ranking": "magnitude", "start": "magnitude"}


def stored(**draws):
    """Return the configuration of a study as it was stored."""
    train = TrainConfig(duration="60it")
    own = {name: DrawConfig(method=name, train=None if name == "omp" else train) for name in draws}
    config = config_files.to_dict(StudyConfig(draws=own, sparsities=(0.5,)))
    for name, fields in draws.items():
        config["draws"][name] |= {"method": name, "imp": IMP, "lmp": GATE, **fields}
    return config


def test_the_settings_of_the_way_that_is_taken_are_kept():
    read = config_files.parse(StudyConfig, with_ways_of_today(stored(omp={}, imp={}, lmp={})))
    assert read.draws["omp"] == DrawConfig()
    assert read.draws["imp"].method == ImpConfig(rate=0.5, of="original", statistics="keep")
    assert read.draws["lmp"].method.gate.train_head is False


@pytest.mark.parametrize("study", [3, [], {}, {"draws": 3}, {"draws": {"omp": 3}}])
def test_what_is_no_study_is_left_for_others_to_refuse(study):
    assert with_ways_of_today(study) == study


def test_the_form_of_today_is_left_alone():
    config = config_files.to_dict(StudyConfig())
    assert with_ways_of_today(config) == config
