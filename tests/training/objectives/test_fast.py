import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import fgsm_rs
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from rtickets.errors import NonFiniteLossError
from rtickets.stages.train import training_result
from rtickets.storage.files import read_metrics
from rtickets.training import objectives
from rtickets.training.loop import Loop
from rtickets.training.objectives.fast import has_collapsed

ATTACK = AttackConfig(name="fgsm_rs", eps=0.05)
FAST = ObjectiveConfig(name="fast", attack=ATTACK, collapse=0.2)


@pytest.mark.parametrize(
    ("before", "now", "collapsed"),
    [(None, 0.0, False), (0.5, 0.31, False), (0.5, 0.29, True), (0.3, 0.9, False),
     (0.1, 0.0, False)],
)  # fmt: skip
def test_a_collapse_is_a_fall_by_more_than_is_allowed(before, now, collapsed):
    assert has_collapsed(before, now, 0.2) is collapsed


def test_the_attack_is_one_step_from_a_random_start():
    images = jnp.asarray(np.random.default_rng(1).uniform(0, 1, (6, 2, 2, 1)), jnp.float32)
    weights, labels = jax.random.normal(jax.random.key(1), (4, 3)), jnp.arange(6) % 3
    keys = jax.random.split(jax.random.key(0), 6)

    def logits_fn(x):
        return x.reshape(len(x), -1) @ weights

    found = objectives.make_objective(FAST).perturb(
        logits_fn, {"image": images, "label": labels}, keys
    )
    np.testing.assert_array_equal(found.inputs, fgsm_rs(logits_fn, images, labels, keys, eps=0.05))


def test_validation_is_under_more_steps_than_training():
    attack = FAST.validation_attack
    assert (attack.name, attack.steps, attack.norm, attack.eps) == ("pgd", 10, "linf", 0.05)


class Killed(Exception):
    """What the tests stop a run with."""


def loop_in(folder, tiny, accuracies, **changes):
    """Return a loop over 4 epochs that measures the given accuracies; an exception is raised."""
    folder.mkdir(exist_ok=True)
    fields = {
        "objective": FAST,
        "optimizer": OptimizerConfig(learning_rate=0.05, schedule="constant"),
        "duration": "4ep",
        "batch_size": 8,
        "select": "last",
    }
    config = TrainConfig(**{**fields, **changes})
    program = tiny.program(
        objective=config.objective, optimizer=config.optimizer, total_steps=24, steps_per_epoch=6
    )
    found = iter(accuracies)

    def validate(params, stats):
        value = next(found)
        if isinstance(value, Exception):
            raise value
        return value

    return Loop(program, config, tiny.split, tiny.mask, validate, folder, "test")


def weights(outcome):
    return jax.tree.leaves((outcome.params, outcome.batch_stats))


def check_equal(found, expected):
    for ours, theirs in zip(weights(found), weights(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def two_epochs(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    loop = loop_in(folder, tiny, [0.5, 0.45])
    loop.stop = 12
    return loop.fit(tiny.params, tiny.batch_stats)


@pytest.mark.parametrize("select", ["last", "best"])
def test_a_collapse_stops_the_run_at_the_weights_from_before(tiny, tmp_path, two_epochs, select):
    accuracies = [0.4, 0.45, 0.1]
    loop = loop_in(tmp_path, tiny, accuracies, select=select)
    outcome = loop.fit(tiny.params, tiny.batch_stats)
    assert (outcome.step, outcome.stopped) == (12, {"collapsed": 18})
    result = {"step": 12, "validation": pytest.approx(0.45), "collapsed": 18}
    assert training_result(tmp_path, outcome) == result
    check_equal(outcome, two_epochs)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["validation"] for line in lines] == accuracies
    assert [line.get("collapsed") for line in lines] == [None, None, True]


@pytest.mark.parametrize("objective", [FAST, ObjectiveConfig()])
def test_why_a_run_stopped_names_the_attack_if_there_is_one(tiny, tmp_path, objective):
    said = loop_in(tmp_path, tiny, [], objective=objective)._why_stopped(18, 0.45, 0.1)
    assert ("under attack" in said) is (objective == FAST)
    assert "step 18" in said


def test_the_last_weights_from_before_are_not_the_best(tiny, tmp_path, two_epochs):
    last = loop_in(tmp_path / "last", tiny, [0.5, 0.45, 0.1])
    best = loop_in(tmp_path / "best", tiny, [0.5, 0.45, 0.1], select="best")
    outcome = last.fit(tiny.params, tiny.batch_stats)
    assert (outcome.step, outcome.validation) == (12, pytest.approx(0.45))
    check_equal(outcome, two_epochs)
    assert best.fit(tiny.params, tiny.batch_stats).step == 6


@pytest.mark.parametrize("killed", [2, 3])
def test_a_killed_run_stops_at_the_same_collapse(tiny, tmp_path, two_epochs, killed):
    accuracies = [0.5, 0.45, 0.1]
    start = (tiny.params, tiny.batch_stats)
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, [*accuracies[: killed - 1], Killed()]).fit(*start)
    outcome = loop_in(tmp_path, tiny, accuracies[killed - 1 :]).fit(*start)
    assert (outcome.step, outcome.stopped) == (12, {"collapsed": 18})
    check_equal(outcome, two_epochs)
    again = loop_in(tmp_path, tiny, [0.1]).fit(*start)  # killed before it was complete
    assert (again.step, again.stopped) == (12, {"collapsed": 18})
    check_equal(again, two_epochs)
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 3


def test_a_run_that_does_not_collapse_goes_on_to_the_end(tiny, tmp_path):
    loop = loop_in(tmp_path, tiny, [0.5, 0.35, 0.2, 0.05])
    outcome = loop.fit(tiny.params, tiny.batch_stats)
    assert (outcome.step, outcome.stopped, outcome.validation) == (24, {}, 0.05)


def test_other_objectives_never_stop(tiny, tmp_path):
    loop = loop_in(tmp_path, tiny, [0.9, 0.1, 0.9, 0.1], objective=ObjectiveConfig())
    outcome = loop.fit(tiny.params, tiny.batch_stats)
    assert (outcome.step, outcome.stopped) == (24, {})


def test_weights_that_are_not_finite_are_an_error_and_not_a_collapse(tiny, tmp_path):
    huge = OptimizerConfig(learning_rate=1e30, schedule="constant")
    with pytest.raises(NonFiniteLossError):
        loop_in(tmp_path, tiny, [0.5, 0.1], optimizer=huge).fit(tiny.params, tiny.batch_stats)
