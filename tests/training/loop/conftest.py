"""Loops over a tiny network, killed or asked to stop."""

import chex

from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.errors import Preempted
from rtickets.platform import parallel, preemption
from rtickets.training.loop import Loop


def config_with(**changes):
    fields = {
        "optimizer": OptimizerConfig(learning_rate=0.05, schedule="constant"),
        "duration": "3ep",
        "batch_size": 8,
        "select": "last",
        "validate_every": "1ep",
        "checkpoint_every": "1ep",
    }
    return TrainConfig(**{**fields, **changes})


def loop_in(folder, tiny, config, validate=lambda params, stats: 0.5, devices=1):
    folder.mkdir(exist_ok=True)
    program = tiny.program(
        optimizer=config.optimizer,
        total_steps=18,
        steps_per_epoch=6,
        batch_size=config.batch_size,
        devices=parallel.local_devices(devices),
    )
    return Loop(program, config, tiny.split, tiny.mask, validate, folder, "test")


class Killed(Exception):
    """What the tests stop a run with."""


def killed_at(validation):
    calls = []

    def validate(params, stats):
        calls.append(0)
        if len(calls) == validation:
            raise Killed
        return 0.5

    return validate


def asked_at(monkeypatch, *calls):
    """Answer yes to the calls of `requested` with these numbers, from 1."""
    counted = iter(range(1, 10**6))
    monkeypatch.setattr(preemption, "requested", lambda: next(counted) in calls)


def fit_at_last(folder, tiny, config, **options):
    """Fit until it is not asked to stop, as a scheduler does; return the outcome and the stops."""
    stops = 0
    while True:
        try:
            loop = loop_in(folder, tiny, config, **options)
            return loop.fit(tiny.params, tiny.batch_stats), stops
        except Preempted:
            stops += 1


def assert_same_run(folder, other, outcome, expected):
    chex.assert_trees_all_equal(outcome.params, expected.params)
    chex.assert_trees_all_equal(outcome.batch_stats, expected.batch_stats)
    chex.assert_trees_all_equal(outcome.opt_state, expected.opt_state)
    assert (outcome.step, outcome.validation) == (expected.step, expected.validation)
    assert (folder / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
