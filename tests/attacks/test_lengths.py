"""Which radii, steps and noise are certainly mistakes, and everything that refuses them."""

import pytest

from rtickets.attacks.lengths import cube_radius, why_not_noise, why_not_radius, why_not_step
from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ObjectiveConfig,
    PretrainConfig,
    SmoothingConfig,
    TrainConfig,
)
from rtickets.costs import Setting
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.stages.registry import estimate
from rtickets.training import objectives

SHAPE = (2, 3, 4)


@pytest.mark.parametrize(("norm", "radius"), [("linf", 1.0), ("l2", 24**0.5), ("l1", 24.0)])
def test_the_ball_of_the_cube_s_diameter_holds_all_images_and_no_larger_one_is_meant(norm, radius):
    assert cube_radius(norm, SHAPE) == pytest.approx(radius)
    assert why_not_radius(radius * (1 + 1e-7), norm, SHAPE) is None
    why = why_not_radius(2 * radius, norm, SHAPE, "radii")
    assert f"radii={2 * radius:g} in {norm}" in why
    assert f"write {2 * radius:g}/255" in why


def test_without_a_shape_linf_alone_is_bounded():
    assert why_not_radius(1e6, "l2") is why_not_radius(1e6, "l1") is None
    assert "write 8/255" in why_not_radius(8, "linf")


def test_a_step_may_take_two_and_a_half_radii_or_cross_the_cube():
    assert why_not_step(1.0, 8 / 255, "linf") is None
    assert why_not_step(2.5, 1.0, "linf") is None
    assert "step_size=2 in linf" in why_not_step(2, 8 / 255, "linf")


def test_noise_over_the_range_of_a_pixel_is_not_meant():
    assert why_not_noise(1.0) is None
    assert "sigma=64 is more than 1" in why_not_noise(64)


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (AttackConfig, {"eps": 8}, "eps=8 in linf .*write 8/255"),
        (AttackConfig, {"radii": (0.1, 16)}, "radii=16 in linf .*write 16/255"),
        (AttackConfig, {"step_size": 2}, "step_size=2 in linf .*write 2/255"),
        (
            AttackConfig,
            {"eps": 0.01, "step_size": 0.1, "radii": (0.5,)},
            r"step_size at 0\.5=5 in linf",
        ),
        (AttackConfig, {"input_noise": 12}, "input_noise=12 .*write 12/255"),
        (SmoothingConfig, {"sigma": 64}, "sigma=64 .*write 64/255"),
        (ObjectiveConfig, {"name": "gaussian", "sigma": 64}, "sigma=64 .*write 64/255"),
        (ObjectiveConfig, {"name": "pgd", "attack": {"eps": 8}}, "eps=8 in linf .*write 8/255"),
        (EvaluateConfig, {"attacks": {"a": {"eps": 8}}}, "eps=8 in linf .*write 8/255"),
    ],
)
def test_configurations_refuse_them_in_one_line(cls, values, message):
    with pytest.raises(InputError, match=message) as caught:
        config_files.parse(cls, values)
    assert "\n" not in str(caught.value)


def long_l2(**values):
    return AttackConfig(norm="l2", eps=128, **values)  # the bound needs the shape of images


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            PretrainConfig(
                train=TrainConfig(objective=ObjectiveConfig(name="pgd", attack=long_l2()))
            ),
            "objective 'pgd': eps=128 in l2 is more than 28, .*write 128/255",
        ),
        (EvaluateConfig(attacks={"mine": long_l2()}), "attacks.mine: eps=128 in l2"),
        (EvaluateConfig(smoothing=SmoothingConfig(radii=(64,))), "smoothing: radii=64 in l2"),
        (
            DrawConfig(criterion="snip", data=DataConfig(), attack=long_l2()),
            "attack: eps=128 in l2",
        ),
    ],
    ids=["training", "attack", "smoothing", "draw"],
)
def test_a_dry_run_knows_the_shape_of_images(config, message):
    with pytest.raises(InputError, match=message):
        estimate(config, Setting())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objectives.adversarial(eps=8, step_size=2, num_steps=1), "eps=8 in linf"),
        (lambda: objectives.adversarial(eps=0.1, step_size=2, num_steps=1), "step_size=2"),
        (lambda: objectives.fast(eps=8), "eps=8 in linf"),
        (lambda: objectives.free(eps=8), "eps=8 in linf"),
        (lambda: objectives.trades(eps=8, step_size=2, num_steps=1), "eps=8 in linf"),
        (lambda: objectives.mart(eps=8, step_size=2, num_steps=1), "eps=8 in linf"),
        (lambda: objectives.gaussian(64), "sigma=64"),
        (lambda: objectives.free(eps=-1), "eps=-1"),
    ],
)  # fmt: skip
def test_objectives_refuse_them(make, message):
    with pytest.raises(InputError, match=message):
        make()
