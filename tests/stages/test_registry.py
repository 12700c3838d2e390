"""What holds for every stage that is registered."""

import dataclasses

import pytest

from rtickets.cli import VERBS
from rtickets.cli.stages import STAGE_VERBS
from rtickets.config import DrawConfig, ModelConfig, PretrainConfig, TrainConfig
from rtickets.costs import Estimate, Setting
from rtickets.errors import InputError
from rtickets.stages.registry import STAGES, estimate


def test_stages_are_verbs_in_the_same_order():
    assert list(STAGES) == list(STAGE_VERBS)
    assert [name for name in VERBS if name in STAGES] == list(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_what_it_needs_to_be_run(name):
    stage = STAGES[name]
    verb = STAGE_VERBS[name]
    assert verb.config is not None
    cls, default = verb.config()
    assert cls is stage.config
    assert default in (None, cls())
    assert stage.name(stage.config())
    assert stage.from_ticket == hasattr(stage.config(), "ticket")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_estimated_by_the_class_of_its_configuration(name):
    stage = STAGES[name]
    config, model = stage.config(), ModelConfig(width=0.0625)
    if name == "search":
        model = ModelConfig(arch="supernet_nano", stem="imagenet")
    if hasattr(config, "model"):
        config = dataclasses.replace(config, model=model)
    setting = Setting(model)
    found = estimate(config, setting)
    assert found == stage.estimate(config, setting)
    assert all(isinstance(one, Estimate) and one.operations >= 0 for one in found)
    assert any(name in one.name for one in found)


class Further(PretrainConfig):
    """The configuration of no stage, though that of one in part."""


@pytest.mark.parametrize("config", [Further(), object()])
def test_what_configures_no_stage_is_named(config):
    with pytest.raises(InputError, match=f"^{type(config).__name__} .*PretrainConfig"):
        estimate(config, Setting())


def test_the_stage_of_a_subclass_is_not_that_of_its_base(monkeypatch):
    monkeypatch.setitem(STAGES, "further", STAGES["draw"]._replace(
        config=Further, estimate=lambda config, setting: [config]
    ))  # fmt: skip
    assert estimate(Further(), Setting()) == [Further()]


def test_a_draw_that_trains_is_estimated_by_its_training():
    draw = DrawConfig(method="lmp", train=TrainConfig(duration="3it", batch_size=10))
    (found,) = estimate(draw, Setting(ModelConfig(width=0.0625)))
    assert "3 steps" in " ".join(found.about)
