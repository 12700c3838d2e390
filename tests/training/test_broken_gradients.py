"""Gradients of training's own attacks that are not finite are counted and told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rtickets import models
from rtickets.config import AttackConfig, ObjectiveConfig, TrainConfig
from rtickets.data import labelled
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.train import training_result
from rtickets.storage.files import read_metrics
from rtickets.training.loop import Loop

SHAPE = (4, 4, 1)
DARK = [51, 204, 51, 204, 204, 51, 204, 204]  # 0.2, where the root has no slope, and 0.8
STEPS = 4


class Root(nn.Module):
    """A root that is 0 where pixels are at most 1/2: its derivative there is infinity times 0."""

    @nn.compact
    def __call__(self, x, train=False):
        seen = jnp.sqrt(jnp.square(jnp.maximum(x - 0.5, 0)))
        return nn.Dense(2, name="head")(seen.reshape(len(x), -1))


@pytest.fixture(scope="module")
def roots(tiny):
    images = np.array(DARK, np.uint8)[:, None, None, None] * np.ones((1, *SHAPE), np.uint8)
    params, batch_stats = models.initialise(Root(), jax.random.key(0), SHAPE)
    split = labelled(images, np.arange(len(DARK), dtype=np.int32) % 2)
    return tiny._replace(
        model=Root(),
        params=params,
        batch_stats=batch_stats,
        mask=jax.tree.map(lambda _: np.ones((), bool), params),
        split=split,
    )


def loop_in(folder, roots, objective, **changes):
    folder.mkdir(exist_ok=True)
    fields = {"duration": f"{STEPS}ep", "validate_every": "2ep", "checkpoint_every": "1ep"}
    config = TrainConfig(batch_size=len(DARK), select="last", **fields)
    program = roots.program(
        objective=objective, total_steps=STEPS, steps_per_epoch=1, input_shape=SHAPE,
        transform=Transform(), **changes,
    )  # fmt: skip
    return Loop(program, config, roots.split, roots.mask, lambda *_: 0.5, folder, "roots")


def fit(loop, roots):
    return loop.fit(roots.params, roots.batch_stats)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pgd", {}),
        ("pgd", {"accumulate": 2, "devices": 2}),
        ("fast", {}),
        ("free", {"devices": 2}),
        ("trades", {}),
        ("mart", {}),
    ],
)
def test_every_step_counts_the_images_whose_gradients_are_not_finite(
    roots, objectives, name, changes, tmp_path, capsys
):
    attack = config_files.replace(objectives[name].attack, norm="linf", eps=0.05)
    objective = config_files.replace(objectives[name], attack=attack)
    changes = {**changes, "devices": parallel.local_devices(changes.get("devices", 1))}
    outcome = fit(loop_in(tmp_path, roots, objective, **changes), roots)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["broken_gradients"] for line in lines] == [2 * 3, 2 * 3]  # 3 dark ones, 2 steps
    assert training_result(tmp_path, outcome)["broken_gradients"] == STEPS * 3
    said = [line for line in capsys.readouterr().err.splitlines() if "finite" in line]
    assert len(said) == 1
    assert "roots" in said[0]
    assert "6 of 16" in said[0]


def test_updates_under_attack_count_them_too(roots, objectives, tmp_path):
    attack = AttackConfig(eps=0.05, num_steps=2)
    objective = ObjectiveConfig(name="pgd", attack=attack, attack_statistics="batch_and_update")
    assert fit(loop_in(tmp_path, roots, objective), roots).broken == STEPS * 3


class Killed(Exception):
    """What a run is stopped with."""


def test_a_killed_run_counts_what_it_had_counted(roots, objectives, tmp_path, capsys):
    objective = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=1))
    whole = fit(loop_in(tmp_path / "whole", roots, objective), roots)
    killed = loop_in(tmp_path / "killed", roots, objective)
    dispatch = killed._dispatch

    def stopped(now, step, *rest):
        if step == 3:
            raise Killed
        return dispatch(now, step, *rest)

    killed._dispatch = stopped
    with pytest.raises(Killed):
        fit(killed, roots)
    capsys.readouterr()
    resumed = fit(loop_in(tmp_path / "killed", roots, objective), roots)
    assert resumed.broken == whole.broken == STEPS * 3
    assert "finite" not in capsys.readouterr().err  # it was said before
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]


def test_finite_gradients_leave_no_word(roots, tmp_path, capsys):
    objective = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=1))
    white = np.full_like(roots.split.images, 255)
    bright = roots._replace(split=labelled(white, roots.split.labels))
    outcome = fit(loop_in(tmp_path, bright, objective), bright)
    assert set(read_metrics(tmp_path / "metrics.jsonl")[0]) == {
        "step", "epoch", "loss", "accuracy", "validation",
    }  # fmt: skip
    assert "broken_gradients" not in training_result(tmp_path, outcome)
    assert "finite" not in capsys.readouterr().err
