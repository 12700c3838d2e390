"""Attacks on a linear regression, whose worst distance in every ball is known exactly."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.config import AttackConfig, EvaluateConfig, SmoothingConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.platform import parallel
from rtickets.report.honesty import NOT_CHECKED, verdict_lines
from rtickets.tasks import Headline, ImageTask, Measured

GENERATOR = np.random.default_rng(0)
WEIGHTS = GENERATOR.normal(size=16).astype(np.float32)
DUAL = {"linf": np.abs(WEIGHTS).sum(), "l2": np.linalg.norm(WEIGHTS)}
IMAGES = GENERATOR.integers(100, 156, (21, 4, 4, 1)).astype(np.uint8)
ANSWERS = (IMAGES / 255).reshape(21, -1) @ WEIGHTS
TARGETS = (ANSWERS + GENERATOR.uniform(0.1, 2, 21) * np.tile([1, -1, 1], 7)).astype(np.float32)
DISTANCES = np.abs(ANSWERS - TARGETS)


class Linear(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(1, name="head")(x.reshape(len(x), -1))


@dataclasses.dataclass(frozen=True)
class Weight(ImageTask):
    """Batches hold `image` and `kilos`, float32 (B,); the network answers (B, 1)."""

    headline: ClassVar[Headline] = Headline("distance", "kg", higher_is_better=False)

    def loss(self, outputs, batch, reduce=None):
        del reduce
        return (outputs[:, 0] - batch["kilos"]) ** 2

    def sums(self, outputs, batch):
        distance = abs(outputs[:, 0] - batch["kilos"])
        return {"distance": distance.sum(), "squares": (distance**2).sum(), "count": len(distance)}

    def measures(self, sums):
        mean, square = (sums[name] / sums["count"] for name in ("distance", "squares"))
        return {
            "distance": Measured(mean, mean, mean, "kg", higher_is_better=False),
            "square": Measured(square, square, square, "kg^2", higher_is_better=False),
        }


def evaluate(folder, devices=1, task=None, kernel=WEIGHTS, **fields):
    params = {"head": {"kernel": jnp.asarray(kernel)[:, None], "bias": jnp.zeros(1)}}
    where = parallel.local_devices(devices)
    examples = on_devices(
        Split({"image": IMAGES, "kilos": TARGETS}), Transform(), where, task or Weight()
    )
    config = EvaluateConfig(**{"batch_size": 8, **fields})
    return evaluate_network(config, Network(Linear(), params, {}), examples, folder)


EPS = {"linf": 0.05, "l2": 0.1}
PGD = AttackConfig(eps=0.05, num_steps=4, restarts=2)


def test_without_attacks_the_measures_are_those_of_the_task(tmp_path):
    result = evaluate(tmp_path)
    assert list(result) == ["headline", "clean", "measures", "attacks"]
    assert result["headline"] == {"name": "distance", "unit": "kg", "higher_is_better": False}
    assert result["clean"]["examples"] == 21
    assert "correct" not in result["clean"]
    assert result["clean"]["value"] == pytest.approx(DISTANCES.mean(), rel=1e-5)
    assert result["measures"]["square"]["value"] == pytest.approx((DISTANCES**2).mean(), rel=1e-5)
    assert result["measures"]["square"]["unit"] == "kg^2"
    assert result["measures"]["square"]["higher_is_better"] is False


@pytest.mark.parametrize(
    "attack",
    [
        PGD,
        AttackConfig(norm="l2", eps=0.1, num_steps=4, random_start=False),
        AttackConfig(name="fgsm", eps=0.05),
        AttackConfig(name="fgsm_rs", eps=0.05, restarts=2, step_size=0.1),
    ],
    ids=lambda attack: f"{attack.name}-{attack.norm}",
)
@pytest.mark.parametrize("devices", [1, 2])
def test_attacks_reach_the_worst_distance(attack, devices, tmp_path):
    """The images are far from black and white, so the ball is all there is."""
    result = evaluate(tmp_path, devices, attacks={"mine": attack})
    expected = DISTANCES + EPS[attack.norm] * DUAL[attack.norm]
    found = result["attacks"]["mine"]
    assert found["value"] == pytest.approx(expected.mean(), rel=1e-4)
    assert found["measures"]["distance"]["value"] == found["value"]
    assert found["measures"]["square"]["value"] == pytest.approx((expected**2).mean(), rel=1e-4)
    assert [point["eps"] for point in found["curve"]] == [attack.eps]


def test_the_curve_is_that_of_the_closed_form_on_the_examples_asked_for(tmp_path):
    attack = AttackConfig(eps=0.02, num_steps=4, step_size=0.01, radii=(0.0, 0.05))
    found = evaluate(tmp_path, attacks={"mine": attack}, attack_examples=3)["attacks"]["mine"]
    curve = {point["eps"]: point["value"] for point in found["curve"]}
    near = DISTANCES[[0, 10, 20]].mean()
    assert curve == pytest.approx({e: near + e * DUAL["linf"] for e in (0.0, 0.02, 0.05)}, 1e-4)
    assert found["examples"] == 3
    assert found["value"] == curve[0.02]


def test_an_attack_that_finds_nothing_leaves_the_clean_answer(tmp_path):
    """Without a step there is but a random start, and the image itself is a candidate."""
    attack = AttackConfig(eps=0.05, num_steps=1, step_size=0.0)
    result = evaluate(tmp_path, attacks={"mine": attack})
    assert result["attacks"]["mine"]["value"] >= result["clean"]["value"]


def test_the_images_that_are_kept_are_those_of_the_result(tmp_path):
    result = evaluate(tmp_path, 2, attacks={"mine": PGD}, save_images=True)
    with np.load(tmp_path / "adversarial_mine.npz") as saved:
        x_adv, kilos = saved["x_adv"], saved["kilos"]
    np.testing.assert_array_equal(kilos, TARGETS)
    assert np.abs(x_adv - IMAGES / 255).max() <= 0.05 + 1e-6
    distances = np.abs(x_adv.reshape(21, -1) @ WEIGHTS - kilos)
    assert distances.mean() == pytest.approx(result["attacks"]["mine"]["value"], rel=1e-5)


def test_nothing_is_trusted_and_the_reason_is_said(tmp_path):
    result = evaluate(tmp_path, attacks={"mine": PGD})
    assert result["honesty"]["passed"] is None
    (verdict,) = verdict_lines(result)
    assert verdict.startswith(NOT_CHECKED)
    assert "Weight" in verdict


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"attacks": {"mine": AttackConfig(name="square")}}, ("attacks.mine", "square", "fgsm")),
        ({"attacks": {"mine": AttackConfig(name="apgd_t")}}, ("attacks.mine", "apgd_t")),
        ({"attacks": {"mine": AttackConfig(name="pgd_t")}}, ("attacks.mine", "pgd_t")),
        ({"attacks": {"mine": AttackConfig(loss="margin")}}, ("attacks.mine", "loss")),
        ({"attacks": {"mine": AttackConfig(input_noise=0.1)}}, ("attacks.mine", "input_noise")),
        ({"smoothing": SmoothingConfig()}, ("smoothing", "Weight")),
    ],
)
def test_what_needs_classes_is_refused_before_anything_is_computed(
    fields, named, tmp_path, monkeypatch
):
    monkeypatch.setattr("rtickets.evaluation.evaluate.measure_clean", None)
    with pytest.raises(InputError) as error:
        evaluate(tmp_path, **fields)
    assert all(each in str(error.value) for each in named)


def test_answers_that_are_no_numbers_are_no_result(tmp_path):
    with pytest.raises(InputError, match="distance") as error:
        evaluate(tmp_path, kernel=np.full(16, np.nan, np.float32))
    assert "nan" in str(error.value)
