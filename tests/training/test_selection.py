"""Which weights are kept where a validation is no number."""

import math

import jax
import numpy as np
import pytest

from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from rtickets.errors import NonFiniteLossError
from rtickets.training.loop import Loop

NAN, INF = math.nan, math.inf
FAST = ObjectiveConfig(name="fast", attack=AttackConfig(name="fgsm_rs", eps=0.05), collapse=0.2)


class Killed(Exception):
    """What the tests stop a run with."""


def fit(folder, tiny, values, **fields):
    """Return what a run over an epoch per value ends with that measures them; it dies at None."""
    folder.mkdir(exist_ok=True)
    config = TrainConfig(
        optimizer=OptimizerConfig(learning_rate=0.05, schedule="constant"), batch_size=24,
        duration=f"{fields.pop('epochs', len(values))}ep", checkpoint_every="1ep", **fields,
    )  # fmt: skip
    program = tiny.program(
        objective=config.objective, optimizer=config.optimizer, batch_size=24, steps_per_epoch=2,
        total_steps=2 * int(config.duration[:-2]),
    )  # fmt: skip
    found = iter(values)

    def validate(params, stats):
        if (value := next(found)) is None:
            raise Killed
        return value

    loop = Loop(program, config, tiny.split, tiny.mask, validate, folder, "test")
    return loop.fit(tiny.params, tiny.batch_stats)


@pytest.mark.parametrize(
    ("values", "step"),
    [([NAN, 0.2, 0.1], 4), ([0.2, NAN, 0.3], 6), ([INF, -INF, 0.1], 6), ([0.2, NAN, NAN], 2)],
)
def test_what_is_not_finite_is_never_the_best(tiny, tmp_path, values, step):
    outcome = fit(tmp_path, tiny, values, keep_best_checkpoints=1)
    best = max(value for value in values if math.isfinite(value))
    assert (outcome.step, outcome.validation) == (step, pytest.approx(best))


@pytest.mark.parametrize("select", ["best", "last"])
def test_a_run_whose_validations_are_never_finite_says_so(tiny, tmp_path, select):
    with pytest.raises(NonFiniteLossError, match=r"validation accuracy .*never finite.*nan"):
        fit(tmp_path, tiny, [INF, NAN], select=select)


@pytest.mark.parametrize("select", ["best", "last"])
@pytest.mark.parametrize(("values", "kept"), [([NAN, 0.5, 0.1, 0.1], 4), ([0.5, NAN, 0.1, 0.1], 2)])
def test_a_stop_sees_what_is_before_and_after(tiny, tmp_path, values, kept, select):
    outcome = fit(tmp_path / "whole", tiny, values, objective=FAST, select=select)
    assert (outcome.step, outcome.stopped) == (kept, {"collapsed": 6})
    options = {"objective": FAST, "select": select, "epochs": 4}
    with pytest.raises(Killed):
        fit(tmp_path / "killed", tiny, [*values[:2], None], **options)
    again = fit(tmp_path / "killed", tiny, values[2:], **options)
    assert (again.step, again.stopped) == (kept, {"collapsed": 6})
    jax.tree.map(np.testing.assert_array_equal, again.params, outcome.params)
