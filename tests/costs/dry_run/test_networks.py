"""Costs of networks, steps and attacks, by closed forms."""

import pytest

from rtickets.config import (
    AttackConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    TrainConfig,
)
from rtickets.costs.network_costs import network_cost
from rtickets.costs.passes import passes_of_attack, passes_per_step
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import cost_of, sizes_of
from rtickets.tasks import Detection
from tests.costs.dry_run.conftest import TINY


def test_a_resnet_has_its_published_costs():
    cost = network_cost(ModelConfig(arch="resnet18", stem="imagenet"), 1000, (224, 224, 3))
    assert cost.weights == 11_689_512
    assert cost.prunable == 11_689_512 - 9_600 - 513_000  # without normalisation and head
    # 1.82e9 products and sums; those with a padded zero are not counted here
    assert cost.forward == pytest.approx(2 * 1.82e9, rel=0.1)
    assert 20e6 < cost.activations < 200e6


@pytest.mark.parametrize(
    ("objective", "passes"),
    [
        (ObjectiveConfig(), 3),
        (ObjectiveConfig(name="gaussian"), 3),
        (ObjectiveConfig(name="pgd", attack=AttackConfig(num_steps=3)), 9),
        (ObjectiveConfig(name="pgd", attack=AttackConfig(num_steps=3, best=True)), 11),
        (ObjectiveConfig(name="trades", attack=AttackConfig(num_steps=10)), 26),
        (ObjectiveConfig(name="mart", attack=AttackConfig(num_steps=1)), 8),
        (ObjectiveConfig(name="fast"), 5),
        (ObjectiveConfig(name="free"), 4),
    ],
)
def test_work_is_counted_in_forward_passes(objective, passes):
    assert passes_per_step(objective) == passes


def test_a_head_that_is_trained_alone_costs_its_own_gradient():
    """The last level has 8x8 places of 32 features: convolutions of 3x3, twice 9 operations."""
    task = Detection(channels=8, depth=1, levels=("stage4",), coarser=0)
    data = DataConfig(source="stamps_scenes", task=task)
    convolutions = 32 * 8 + 9 * 8 * (8 + 2 * 8 + 6 + 4 + 1)  # lateral, pyramid, towers, answers
    operations = 2 * 64 * convolutions
    found = {}
    for name, asked in (("plain", DataConfig(source="stamps_scenes")), ("boxes", data)):
        sizes, train = sizes_of(asked), TrainConfig(batch_size=16, duration="1it")
        options = {"devices": 1, "trainable": "head"}
        found[name] = estimate_training(name, sizes, TINY, train, **options)
    forward = cost_of(TINY, sizes).forward
    passes = float(found["boxes"].about[1].split(", ")[-1].split()[0])
    # Normalisation, of a few features here, and padding come on top.
    assert passes == pytest.approx(1 + 2 * operations / forward, rel=0.15)
    assert ", 1 forward passes" in found["plain"].about[1]
    assert found["plain"].memory["activations"] == 0
    kept = found["boxes"].memory["activations"]
    assert kept > 16 * 4 * 64 * 8 * 5  # what goes into five layers
    weights = found["boxes"].memory["weights"] - 4 * cost_of(TINY, sizes).weights
    parameters = convolutions + 8 * (1 + 1 + 2 + 4) + 6 + 4 + 1 + 1  # biases and factors too
    assert weights == pytest.approx(3 * 4 * (parameters - 6 * 33), rel=0.1)  # not the linear one


def test_attacks_take_a_gradient_a_step_and_square_a_query():
    def passes(**settings):
        return passes_of_attack(AttackConfig(**settings), classes=10)

    assert passes(num_steps=10) == 20
    assert passes(num_steps=10, restarts=3, radii=(0.1, 0.2)) == 180
    assert passes(name="square", num_steps=50) == 50
    assert passes(name="pgd_t", num_steps=10, num_targets=3) == 60
    assert passes(name="fab", num_steps=10) == 110  # the gradients of all logits
    assert passes(name="autoattack") == 2 * 100 + 2 * 900 + 2 * 900 + 5000
    assert passes(name="apgd_ce", num_steps=10, input_noise=0.1, samples=5) == 150 + 3 * 100
    rand = passes(name="autoattack", version="rand", input_noise=0.1)
    assert rand == 20 * 3 * (100 + 100) + 5 * 100  # two comparisons of two images, one report
