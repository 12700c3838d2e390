"""Heads that are trained together are those that are trained alone."""

import chex
import jax
import numpy as np
import pytest

from rtickets import training
from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.data import labelled
from rtickets.errors import InputError
from rtickets.models import LinearHead
from rtickets.models.pooled_head import PooledHead
from rtickets.platform import parallel
from rtickets.training import heads

OPTIMIZER = OptimizerConfig(learning_rate=0.0, schedule="cosine", warmup="2it")
CONFIG = TrainConfig(optimizer=OPTIMIZER, duration="9it", batch_size=4, validate_every="4it")


def program(**changes):
    fields = {
        "model": PooledHead(3, LinearHead), "objective": CONFIG.objective, "optimizer": OPTIMIZER,
        "transform": heads.AsTheyAre(), "batch_size": 4, "total_steps": 9, "steps_per_epoch": 5,
        "trainable": "head", "statistics": "frozen", "devices": parallel.local_devices(1),
    }  # fmt: skip
    return training.Program(**{**fields, **changes})


def ticket(number, width=6):
    """Return features of a ticket and a head."""
    generator = np.random.default_rng(number)
    labels = np.arange(22, dtype=np.int32) % 3
    split = labelled(generator.normal(size=(22, width)).astype(np.float32), labels)
    params = PooledHead(3, LinearHead).init(jax.random.key(number), split.images[:1])["params"]
    return split, params


def run(split, params, seed, rate):
    return heads.HeadRun(params, split, seed, rate, lambda own: float(own["head"]["bias"][0]))


def test_rates_seeds_and_tickets_together_are_each_alone():
    (one, head), (other, its) = ticket(0), ticket(1)
    runs = [run(one, head, 0, 0.1), run(one, head, 1, 0.3), run(other, its, 1, 0.1)]
    together = heads.fit_heads(program(), CONFIG, runs)
    for own, found in zip(runs, together, strict=True):
        (alone,) = heads.fit_heads(program(), CONFIG, [own])
        chex.assert_trees_all_close(found.outcome.params, alone.outcome.params, rtol=1e-5)
        assert found.outcome.step == alone.outcome.step
        assert [line["step"] for line in found.lines] == [4, 8, 9]
    kernels = [np.asarray(found.outcome.params["head"]["kernel"]) for found in together]
    assert not np.allclose(kernels[0], kernels[1])


def test_one_that_diverges_leaves_the_others():
    split, head = ticket(0)
    good, bad = heads.fit_heads(
        program(), CONFIG, [run(split, head, 0, 0.1), run(split, head, 0, 3e38)]
    )
    (alone,) = heads.fit_heads(program(), CONFIG, [run(split, head, 0, 0.1)])
    chex.assert_trees_all_close(good.outcome.params, alone.outcome.params, rtol=1e-5)
    assert bad.outcome is None
    assert "step" in bad.failed


def test_long_runs_are_several_dispatches(monkeypatch):
    split, head = ticket(0)
    (whole,) = heads.fit_heads(program(), CONFIG, [run(split, head, 0, 0.1)])
    monkeypatch.setattr(heads, "_LONGEST", 3)
    (parts,) = heads.fit_heads(program(), CONFIG, [run(split, head, 0, 0.1)])
    chex.assert_trees_all_close(whole.outcome.params, parts.outcome.params, rtol=1e-6)
    for one, other in zip(whole.lines, parts.lines, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_heads_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="2 different shapes"):
        heads.fit_heads(
            program(), CONFIG, [run(*ticket(0), 0, 0.1), run(*ticket(1, width=7), 0, 0.1)]
        )
