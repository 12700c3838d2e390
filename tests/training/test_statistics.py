"""Normalisation while attacking."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.attacks import pgd
from rtickets.config import AttackConfig
from rtickets.data.images.augment import Transform
from rtickets.settings import config_files
from rtickets.tasks import Classification
from rtickets.training.objectives import make_objective, search_and_update
from rtickets.training.objectives.pgd import adversarial

ATTACK = {"eps": 0.5, "step_size": 0.2, "num_steps": 3, "norm": "l2"}


@pytest.fixture(scope="module")
def scene(small):
    """A model under batch statistics, six images and a key for each."""
    images = jnp.asarray(small.split.images[:6], jnp.float32) / 255
    labels = jnp.asarray(small.split.labels[:6])

    def model_fn(x, stats):
        return models.training_logits(small.model, small.params, stats, x)

    return model_fn, images, labels, jax.random.split(jax.random.key(3), 6)


def test_an_attack_in_the_batch_evaluates_and_updates_step_by_step(small, scene):
    model_fn, images, labels, keys = scene

    @jax.jit
    def found(images, labels, keys):
        inner = adversarial(**ATTACK).inner
        batch = {"image": images, "label": labels}
        search, job = inner(None, batch, keys)
        fooled = partial(Classification().fooled, batch=batch)
        made, stats = search_and_update(search, job, model_fn, small.batch_stats, fooled)
        return made.inputs, stats

    @jax.jit
    def expected(images, labels, keys):
        def logits_fn(x):
            return model_fn(x, small.batch_stats)[0]

        x, stats = images, small.batch_stats
        start = {**ATTACK, "step_size": 0.0, "num_steps": 1}
        for step in range(3):
            if step == 0:
                x = pgd(logits_fn, images, labels, keys, **start)
            _, stats = model_fn(x, stats)
            x = pgd(logits_fn, images, labels, keys, **{**ATTACK, "num_steps": step + 1})
        return x, stats

    chex.assert_trees_all_close(
        found(images, labels, keys), expected(images, labels, keys), atol=1e-5
    )


def test_the_modes_differ_in_what_they_evaluate_and_in_what_they_update(small, objectives):
    """A tiny attack leaves the images' means, so n updates go 1 - 0.9^n of the way there."""
    losses, moved = {}, {}
    for mode in ("frozen", "batch", "batch_and_update"):
        attack = AttackConfig(norm="l2", eps=0.01, num_steps=2)
        objective = config_files.replace(objectives["pgd"], attack=attack, attack_statistics=mode)
        program = small.program(objective=objective, transform=Transform())
        state, (losses[mode],) = small.steps(program, 1)
        after, before = (stats["stem_norm"]["mean"] for stats in (state.batch_stats,
                                                                   small.batch_stats))  # fmt: skip
        moved[mode] = float(np.abs(after - before).sum())
    assert losses["frozen"] != losses["batch"] == losses["batch_and_update"]
    assert moved["batch"] == pytest.approx(moved["frozen"], rel=0.01)
    ratio = (1 - 0.9**3) / (1 - 0.9)  # two evaluations and the training pass
    assert moved["batch_and_update"] == pytest.approx(ratio * moved["frozen"], rel=0.02)


def test_every_objective_that_searches_can_update(objectives):
    searching = {
        name for name, config in objectives.items() if make_objective(config).inner is not None
    }
    assert searching == {"pgd", "fast", "trades", "mart"}
