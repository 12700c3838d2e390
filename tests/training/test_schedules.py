import numpy as np
import pytest

from rtickets.config import OptimizerConfig, to_steps
from rtickets.training.schedules import multiplier


def values(config, steps, per_epoch=10):
    schedule = multiplier(config, 100, per_epoch)
    return [float(schedule(step)) for step in steps]


def test_cosine_falls_from_one_to_zero():
    assert values(OptimizerConfig(schedule="cosine"), [0, 50, 100]) == pytest.approx([1, 0.5, 0])


def test_multistep_multiplies_at_its_milestones():
    config = OptimizerConfig(schedule="multistep", milestones=("5ep", "80it"), decay_factor=0.1)
    np.testing.assert_allclose(
        values(config, [0, 49, 50, 79, 80, 99]), [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6
    )


def test_milestones_count_from_the_start_of_the_run_also_with_a_warmup():
    config = OptimizerConfig(schedule="multistep", milestones=("50it",), warmup="1ep")
    np.testing.assert_allclose(values(config, [0, 5, 10, 49, 50]), [0, 0.5, 1, 1, 0.1], rtol=1e-6)


def test_warmup_rises_to_the_peak_and_cosine_follows():
    config = OptimizerConfig(schedule="cosine", warmup="20it")
    expected = [0, 0.5, 1, 0.5, 0]
    np.testing.assert_allclose(values(config, [0, 10, 20, 60, 100]), expected, atol=1e-6)


@pytest.mark.parametrize("power", [0.9, 2.0])
def test_polynomial_falls_to_zero_by_a_power_of_what_is_left(power):
    config = OptimizerConfig(schedule="polynomial", power=power, warmup="20it")
    expected = [0.5, 1, 0.75**power, 0.1**power, 0]
    np.testing.assert_allclose(values(config, [10, 20, 40, 92, 100]), expected, atol=1e-6)


def test_a_power_is_of_the_polynomial_schedule():
    with pytest.raises(ValueError, match=r"power=2\.0.*polynomial"):
        OptimizerConfig(schedule="cosine", power=2.0)


@pytest.mark.parametrize("warmup", ["0it", "20it"])
def test_exponential_multiplies_over_every_duration_from_the_start_of_the_run(warmup):
    config = OptimizerConfig(
        schedule="exponential", milestones=("5ep",), decay_factor=0.5, warmup=warmup
    )
    expected = [0.5**0.5, 0.5, 0.25]
    np.testing.assert_allclose(values(config, [25, 50, 100]), expected, rtol=1e-5)


def test_one_cycle_rises_over_30_percent_and_falls_to_next_to_nothing():
    first, last = 1 / 25, 1 / 25e4
    rise = [first + (1 - first) * (1 - np.cos(np.pi * t / 30)) / 2 for t in range(30)]
    fall = [last + (1 - last) * (1 + np.cos(np.pi * t / 70)) / 2 for t in range(71)]
    found = values(OptimizerConfig(schedule="onecycle"), range(101))
    np.testing.assert_allclose(found, rise + fall, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "exponential"},
        {"schedule": "exponential", "milestones": ("1ep", "2ep")},
        {"schedule": "exponential", "milestones": ("0ep",)},
        {"schedule": "onecycle", "milestones": ("1ep",)},
        {"schedule": "onecycle", "warmup": "1ep"},
    ],
)
def test_schedules_that_are_asked_for_what_they_have_not_are_refused(fields):
    with pytest.raises(ValueError, match=r"milestones|warmup"):
        OptimizerConfig(**fields)


def test_constant_stays():
    assert values(OptimizerConfig(schedule="constant"), [0, 99]) == [1, 1]


@pytest.mark.parametrize(("text", "steps"), [("3ep", 30), ("7it", 7), ("0ep", 0)])
def test_durations(text, steps):
    assert to_steps(text, 10) == steps
