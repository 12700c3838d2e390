"""A task that is no classification, added from outside: how bright is the middle of an image?"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import evaluation, masks, models, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel
from rtickets.storage.files import read_metrics
from rtickets.tasks import Headline, ImageTask, Measured
from rtickets.training.loop import Loop

CLOSE = 0.1


@dataclass(frozen=True)
class Brightness(ImageTask):
    """Batches hold `image` and `level`, float32 (B,); the network answers (B, 1)."""

    headline: ClassVar[Headline] = Headline("distance", "levels", higher_is_better=False)

    def loss(self, outputs, batch, reduce=None):
        del reduce
        return (outputs[:, 0] - batch["level"]) ** 2

    def sums(self, outputs, batch):
        distance = jnp.abs(outputs[:, 0] - batch["level"])
        return {"distance": distance.sum(), "squares": (distance**2).sum(), "count": distance.size}

    def measures(self, sums):
        mean = sums["distance"] / sums["count"]
        half = 1.96 * (max(sums["squares"] / sums["count"] - mean**2, 0) / sums["count"]) ** 0.5
        return {"distance": Measured(float(mean), mean - half, mean + half, "levels", False)}

    def fooled(self, outputs, batch):
        return jnp.abs(outputs[:, 0] - batch["level"]) > CLOSE


@dataclass(frozen=True)
class Table(Brightness):
    """The same, counted as dark and bright in a table whose trace is what is right."""

    def sums(self, outputs, batch):
        told, is_so = ((each > 0.5).astype(jnp.int32) for each in (outputs[:, 0], batch["level"]))
        table = jnp.zeros((2, 2), jnp.int32).at[is_so, told].add(1)
        return {**super().sums(outputs, batch), "table": table}

    def measures(self, sums):
        right = sums["table"].diagonal().sum()
        return {**super().measures(sums), "right": Measured(right, right, right)}


ATTACK = AttackConfig(eps=0.1, num_steps=2, step_size=0.05)
FGSM_RS = AttackConfig(name="fgsm_rs", eps=0.1)
OBJECTIVES = {
    "natural": ObjectiveConfig(),
    "pgd": ObjectiveConfig(name="pgd", attack=ATTACK),
}


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    level = generator.uniform(0, 1, 32).astype(np.float32)
    noise = generator.integers(-20, 21, (32, 8, 8, 1))
    images = np.clip(255 * level[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    return Split({"image": images, "level": level})


@pytest.fixture(scope="module")
def network():
    model = ResNet((1,), BasicBlock, 1, width=4, stem="small", mean=(0.5,), std=(0.3,))
    return evaluation.Network(model, *models.initialise(model, jax.random.key(0), (8, 8, 1)))


class Killed(Exception):
    """What the tests stop a run with."""


def loop_in(folder, network, table, objective, dies_at=None, task=Brightness()):
    folder.mkdir(exist_ok=True)
    optimizer = OptimizerConfig(learning_rate=0.02, schedule="constant")
    config = TrainConfig(
        objective=objective, optimizer=optimizer, duration="12it", batch_size=8,
        validate_every="4it", checkpoint_every="4it",
    )  # fmt: skip
    program = training.Program(
        model=network.model, objective=objective, optimizer=optimizer, transform=Transform(),
        batch_size=8, total_steps=12, steps_per_epoch=4, trainable="all", statistics="batch",
        devices=parallel.local_devices(1), task=task,
    )  # fmt: skip
    held_out = evaluation.on_devices(table, Transform(), program.devices, program.task)
    calls = []

    def validate(params, stats):
        calls.append(0)
        if len(calls) == dies_at:
            raise Killed
        trained = evaluation.Network(network.model, params, stats)
        return evaluation.judge(trained, held_out)["distance"].value

    return Loop(program, config, table, masks.full(network.params), validate, folder, "test")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_trains_and_a_killed_run_ends_bit_equal(tmp_path, network, table, name):
    start = network.params, network.batch_stats
    whole = loop_in(tmp_path / "whole", network, table, OBJECTIVES[name]).fit(*start)
    with pytest.raises(Killed):
        loop_in(tmp_path / "killed", network, table, OBJECTIVES[name], 2).fit(*start)
    resumed = loop_in(tmp_path / "killed", network, table, OBJECTIVES[name]).fit(*start)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    texts = [(tmp_path / run / "metrics.jsonl").read_bytes() for run in ("whole", "killed")]
    assert texts[0] == texts[1]
    lines = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    assert [set(line) for line in lines] == 3 * [
        {"step", "epoch", "loss", "distance", "validation"}
    ]
    assert lines[-1]["loss"] < lines[0]["loss"]
    found = [line["validation"] for line in lines]
    assert (whole.step, whole.validation) == (
        lines[int(np.argmin(found))]["step"], pytest.approx(min(found), rel=1e-6),
    )  # fmt: skip


def test_sums_are_arrays_where_a_line_of_metrics_is_measured(tmp_path, network, table):
    loop = loop_in(tmp_path, network, table, OBJECTIVES["natural"], task=Table())
    loop.fit(network.params, network.batch_stats)
    for line in read_metrics(tmp_path / "metrics.jsonl"):
        assert 0 <= line["right"] <= 32
        assert line["right"] == round(line["right"])


def test_the_measures_are_those_of_the_outputs(network, table):
    for devices in (1, 2):
        examples = evaluation.on_devices(
            table, Transform(), parallel.local_devices(devices), Brightness()
        )
        outputs = evaluation.predict(network, examples, batch_size=10)
        x = table.arrays["image"].astype(np.float32) / 255
        expected = models.logits(network.model, network.params, network.batch_stats, x)
        np.testing.assert_allclose(outputs, expected, atol=1e-4)
        distance = np.abs(np.asarray(expected)[:, 0] - table.arrays["level"]).mean()
        measured = evaluation.judge(network, examples, batch_size=10)["distance"]
        assert measured.value == pytest.approx(distance, rel=1e-3)
        assert measured.low < measured.value < measured.high


def test_an_attack_raises_the_loss_of_the_task_inside_the_ball(network, table):
    examples = evaluation.on_devices(table, Transform(), parallel.local_devices(1), Brightness())
    clean, moved = (evaluation.predict(network, examples, attack=each) for each in (None, ATTACK))
    before, after = ((each[:, 0] - table.arrays["level"]) ** 2 for each in (clean, moved))
    assert (after > before).mean() > 0.9


@pytest.mark.parametrize("best", [False, True])
def test_steps_follow_the_gradient_of_the_loss(best):
    """The mean of two pixels is asked for; both move away from the level, as far as they may."""
    task = Brightness()
    attack = AttackConfig(eps=0.1, num_steps=3, step_size=0.05, random_start=False, best=best)
    objective = training.make_objective(ObjectiveConfig(name="pgd", attack=attack), task)
    image = jnp.array([[0.4, 0.6], [0.97, 0.9]]).reshape(2, 1, 2, 1)
    batch = {"image": image, "level": jnp.array([0.4, 0.5])}
    keys = jax.random.split(jax.random.key(0), 2)
    found = objective.perturb(lambda x: x.mean((1, 2)), batch, keys).inputs
    np.testing.assert_allclose(found.reshape(2, 2), [[0.5, 0.7], [1.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (ObjectiveConfig(label_smoothing=0.1), "label_smoothing=0.1"),
        (ObjectiveConfig(name="trades", attack=AttackConfig(eps=0.1, num_steps=1)), "trades"),
        (ObjectiveConfig(name="mart", attack=AttackConfig(eps=0.1, num_steps=1)), "mart"),
        (ObjectiveConfig(name="fast", attack=FGSM_RS), "collapse=0.2.*levels.*'pgd'"),
    ],
)
def test_what_needs_classes_or_a_share_is_refused(config, named):
    with pytest.raises(InputError, match=named) as error:
        training.make_objective(config, Brightness())
    assert "Brightness" in str(error.value)


def test_what_takes_the_place_of_fast_is_taken():
    found = training.make_objective(ObjectiveConfig(name="pgd", attack=FGSM_RS), Brightness())
    assert found.inner is not None
    assert found.stop is None


def test_losses_of_logits_are_refused():
    attack = AttackConfig(eps=0.1, num_steps=1, loss="margin")
    objective = training.make_objective(ObjectiveConfig(name="pgd", attack=attack), Brightness())
    batch = {"image": jnp.zeros((1, 2, 2, 1)), "level": jnp.zeros(1)}
    with pytest.raises(InputError, match="margin"):
        objective.perturb(lambda x: x.mean((1, 2)), batch, jax.random.split(jax.random.key(0), 1))
