"""The loss around a network, against losses of a linear one that NumPy computes."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from rtickets.config import AttackConfig, EvaluateConfig, MeasureConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.surface import direction, grid, moved
from rtickets.platform import parallel
from rtickets.tasks import SimClr

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
LABELS = GENERATOR.integers(0, 3, 20).astype(np.int32)
EPS = 0.1


class Linear(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(3, name="head")(x.reshape(len(x), -1))


def network():
    kernel = GENERATOR.normal(0, 0.5, (16, 3)).astype(np.float32)
    kernel[:5] = 0  # dead
    return Network(Linear(), {"head": {"kernel": kernel, "bias": np.float32([0.1, 0, -0.2])}}, {})


def measured(subject, folder, **settings):
    split = Split({"image": IMAGES, "label": LABELS})
    examples = on_devices(split, Transform(), parallel.local_devices(1))
    measure = MeasureConfig(name="surface", points=3, radius=0.5, **settings)
    config = EvaluateConfig(measures={"mine": measure}, batch_size=8)
    return evaluate_network(config, subject, examples, folder)


def losses_of(params, attacked=False):
    head = {name: np.asarray(each, np.float64) for name, each in params["head"].items()}
    x = IMAGES.reshape(20, -1) / 255
    if attacked:
        towards = softmax(x @ head["kernel"] + head["bias"], 1) - np.eye(3)[LABELS]
        x = np.clip(x + EPS * np.sign(towards @ head["kernel"].T), 0, 1)
    return -log_softmax(x @ head["kernel"] + head["bias"], 1)[np.arange(20), LABELS]


def test_a_direction_has_the_length_of_every_filter_and_leaves_dead_weights_and_vectors():
    params = {
        "conv": GENERATOR.normal(0, 1, (3, 3, 2, 4)).astype(np.float32),
        "dead": np.zeros((2, 3), np.float32),
        "scale": np.ones(4, np.float32),
    }
    params["conv"][:, 0] = 0
    found = direction(params, jax.random.key(1))
    lengths = (np.linalg.norm(each["conv"].reshape(-1, 4), axis=0) for each in (params, found))
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert not np.any(found["conv"][:, 0])
    assert np.all(np.asarray(found["conv"][:, 1:]) != 0)
    assert not np.any(found["dead"])
    assert not np.any(found["scale"])


@pytest.mark.parametrize("attacked", [False, True])
def test_losses_are_those_of_the_moved_weights(attacked, tmp_path):
    subject = network()
    attack = AttackConfig(num_steps=1, step_size=EPS, eps=EPS, random_start=False)
    found = measured(subject, tmp_path, attack=attack if attacked else None)
    keys = jax.random.split(jax.random.key(0))
    plane = tuple(direction(subject.params, key) for key in keys)
    at = grid(0.5, 3)
    kinds = {"": False, "adversarial_": True} if attacked else {"": False}
    assert {name for row in found["tables"]["mine.surface"] for name in row} == {
        "first", "second", *(f"{kind}loss" for kind in kinds)
    }  # fmt: skip
    for kind, under in kinds.items():
        expected = {
            (a, b): losses_of(moved(subject.params, plane, (a, b)), under) for a in at for b in at
        }
        for row in found["tables"]["mine.surface"]:
            point = row["first"], row["second"]
            assert row[f"{kind}loss"] == pytest.approx(expected[point].mean(), rel=1e-4)
        near = [expected[point] for point in expected if np.hypot(*point) <= 0.5]
        values = found["measures"]
        own = expected[0, 0]
        assert len(near) == 5
        assert values[f"mine.{kind}loss"]["value"] == pytest.approx(own.mean(), rel=1e-4)
        rise = np.mean(near, 0) - own
        assert values[f"mine.{kind}rise"]["value"] == pytest.approx(rise.mean(), rel=1e-3)
        half = 1.959964 * rise.std(ddof=1) / 20**0.5
        assert values[f"mine.{kind}rise"]["high"] == pytest.approx(rise.mean() + half, rel=1e-3)


def test_an_even_number_of_points_and_an_attack_with_restarts_are_refused():
    with pytest.raises(ValueError, match=r"points=4.*odd"):
        MeasureConfig(name="surface", points=4)
    with pytest.raises(ValueError, match="restarts"):
        MeasureConfig(name="surface", attack=AttackConfig(restarts=2))


def test_losses_that_overflow_say_what_to_do(tmp_path):
    subject = network()
    huge = jax.tree.map(lambda leaf: 1e38 * leaf, subject.params)
    with pytest.raises(InputError, match="radius"):
        measured(subject._replace(params=huge), tmp_path)


def test_a_task_that_compares_examples_is_refused():
    examples = on_devices(
        Split({"image": IMAGES, "label": LABELS}), Transform(), parallel.local_devices(1), SimClr()
    )
    with pytest.raises(InputError, match=r"simclr.*transfer"):
        MeasureConfig(name="surface").check(examples)
