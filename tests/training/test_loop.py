import errno
import shutil

import chex
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.errors import NonFiniteLossError, Preempted
from rtickets.platform import parallel, preemption
from rtickets.storage.files import read_metrics
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


def arrays(outcome):
    return [np.asarray(leaf) for leaf in outcome.params["stem_conv"].values()] + [
        np.asarray(outcome.params["head"]["kernel"])
    ]


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


@pytest.mark.parametrize("validation", [1, 2, 3])
def test_a_killed_run_ends_bit_equal_to_one_that_was_not(tiny, tmp_path, validation):
    config = config_with()
    start = (tiny.params, tiny.batch_stats)
    whole = loop_in(tmp_path / "whole", tiny, config).fit(*start)
    with pytest.raises(Killed):
        loop_in(tmp_path / "killed", tiny, config, killed_at(validation)).fit(*start)
    resumed = loop_in(tmp_path / "killed", tiny, config).fit(*start)
    for expected, actual in zip(arrays(whole), arrays(resumed), strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert resumed.step == whole.step == 18
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]


def test_the_best_validated_weights_are_returned_also_after_a_resume(tiny, tmp_path):
    accuracies = iter([0.3, 0.9])

    def validate(params, stats):
        value = next(accuracies, None)
        if value is None:
            raise Killed
        return value

    config = config_with(select="best")
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, config, validate).fit(tiny.params, tiny.batch_stats)
    outcome = loop_in(tmp_path, tiny, config, lambda *_: 0.6).fit(tiny.params, tiny.batch_stats)
    assert outcome.step == 12
    assert outcome.validation == pytest.approx(0.9)


def test_metrics_have_a_line_per_epoch(tiny, tmp_path):
    loop_in(tmp_path, tiny, config_with()).fit(tiny.params, tiny.batch_stats)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [6, 12, 18]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["validation"] == 0.5 for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tiny, tmp_path):
    start = (tiny.params, tiny.batch_stats)
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, config_with(), killed_at(2)).fit(*start)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    broken = config_with(optimizer=OptimizerConfig(learning_rate=1e30, schedule="constant"))
    with pytest.raises(NonFiniteLossError, match=r"step (7|8|9|10|11|12).*learning_rate"):
        loop_in(tmp_path, tiny, broken).fit(*start)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == kept == ["6"]


def test_weights_that_are_not_finite_are_never_the_result(tiny, tmp_path):
    config = config_with(
        duration="1it",
        optimizer=OptimizerConfig(learning_rate=3e38, weight_decay=1e6, schedule="constant"),
        validate_every="0ep",
    )
    loop = loop_in(tmp_path, tiny, config)
    loop.program = tiny.program(optimizer=config.optimizer, total_steps=1, steps_per_epoch=6)
    with pytest.raises(NonFiniteLossError, match="weights are not finite"):
        loop.fit(tiny.params, tiny.batch_stats)
    assert not list((tmp_path / "checkpoints").glob("[0-9]*"))


def test_a_run_without_checkpoints_writes_none(tiny, tmp_path):
    config = config_with(checkpoint_every="0ep", validate_every="0ep")
    outcome = loop_in(tmp_path, tiny, config).fit(tiny.params, tiny.batch_stats)
    assert outcome.validation is None
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["events.jsonl", "metrics.jsonl", "throughput.jsonl"]


# --- being asked to stop --------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"checkpoint_every": "0ep"},
        {"steps_per_dispatch": 4, "checkpoint_every": "5it"},
        {"select": "best", "validate_every": "4it"},
    ],
)
def test_a_run_that_is_asked_to_stop_again_and_again_ends_bit_equal(
    tiny, tmp_path, monkeypatch, changes
):
    config = config_with(**changes)
    validate = {"validate": lambda params, stats: float(np.abs(params["head"]["kernel"]).sum() % 1)}
    expected, _ = fit_at_last(tmp_path / "whole", tiny, config, **validate)
    asked_at(monkeypatch, 1, *range(3, 60, 3))
    outcome, stops = fit_at_last(tmp_path / "stopped", tiny, config, **validate)
    assert stops >= 3
    assert_same_run(tmp_path / "stopped", tmp_path / "whole", outcome, expected)


def test_a_stop_in_the_first_validation_loses_no_step(tiny, tmp_path):
    config = config_with(checkpoint_every="0ep")
    expected, _ = fit_at_last(tmp_path / "whole", tiny, config)
    asked = []

    def validate(params, stats):
        asked.append(len(asked))
        if asked[-1] == 0:
            raise Preempted("asked to stop")
        return 0.5

    with pytest.raises(Preempted):
        loop_in(tmp_path / "stopped", tiny, config, validate).fit(tiny.params, tiny.batch_stats)
    assert [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["6"]
    outcome, _ = fit_at_last(tmp_path / "stopped", tiny, config, validate=validate)
    assert len(asked) == 4
    assert_same_run(tmp_path / "stopped", tmp_path / "whole", outcome, expected)


def test_a_stop_in_a_validation_does_not_lose_the_best_checkpoint(tiny, tmp_path):
    config = config_with(keep_checkpoints=1, keep_best_checkpoints=1)
    accuracies = iter([0.9, 0.5, 0.4])

    def stopped(*_):
        raise Preempted("asked to stop")

    with pytest.raises(Preempted):
        loop_in(tmp_path, tiny, config, stopped).fit(tiny.params, tiny.batch_stats)
    fit_at_last(tmp_path, tiny, config, validate=lambda *_: next(accuracies))
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"6", "6.score", "12", "BEST"}


def test_the_best_checkpoints_do_not_depend_on_where_a_run_is_stopped(tiny, tmp_path, monkeypatch):
    config = config_with(checkpoint_every="4it", keep_best_checkpoints=1)
    validate = lambda params, stats: 0.5  # noqa: E731  the earliest of equals is kept
    fit_at_last(tmp_path / "whole", tiny, config, validate=validate)
    for call in range(1, 12):
        folder = tmp_path / f"stopped{call}"
        asked_at(monkeypatch, call)
        fit_at_last(folder, tiny, config, validate=validate)
        best = [
            (path / "checkpoints" / "BEST").read_text() for path in (folder, tmp_path / "whole")
        ]
        assert best[0] == best[1]


def test_a_stop_before_the_first_step_writes_no_checkpoint(tiny, tmp_path, monkeypatch):
    asked_at(monkeypatch, 1)
    with pytest.raises(Preempted):
        loop_in(tmp_path, tiny, config_with()).fit(tiny.params, tiny.batch_stats)
    assert not (tmp_path / "checkpoints").exists()


@settings(max_examples=50, deadline=None)
@given(
    log=st.integers(1, 20),
    part=st.integers(0, 20),
    dispatch=st.integers(1, 9),
    first=st.integers(0, 30),
    steps=st.integers(1, 40),
)
def test_dispatches_end_at_the_same_steps_wherever_a_process_begins(
    log, part, dispatch, first, steps
):
    loop = Loop.__new__(Loop)
    loop.log_every, loop.checkpoint_every, loop.dispatch = log, part, dispatch
    loop.first, loop.stop, loop.events = first, first + steps, None
    ends = [first]
    while ends[-1] < loop.stop:
        ends.append(loop._dispatch_end(ends[-1]))
        assert 0 < ends[-1] - ends[-2] <= dispatch
    events = {x for p in (log, part) if p for x in range(first + 1, loop.stop) if x % p == 0}
    assert events <= set(ends)
    assert ends[-1] == loop.stop


# --- other devices, other disks -------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(1, 2), (2, 1), (2, 4), (4, 2), (4, 1)])
def test_a_run_goes_on_with_another_number_of_devices(tiny, tmp_path, monkeypatch, devices):
    config = config_with()
    expected, _ = fit_at_last(tmp_path / "one", tiny, config)
    asked_at(monkeypatch, 9)
    start = (tiny.params, tiny.batch_stats)
    with pytest.raises(Preempted):
        loop_in(tmp_path / "moved", tiny, config, devices=devices[0]).fit(*start)
    outcome = loop_in(tmp_path / "moved", tiny, config, devices=devices[1]).fit(*start)
    chex.assert_trees_all_close(outcome.params, expected.params, atol=1e-5)
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("one", "moved")]
    for one, moved in zip(*lines, strict=True):
        assert moved == pytest.approx(one, rel=1e-4)


def test_a_folder_that_was_copied_in_the_middle_goes_on_like_the_first(tiny, tmp_path, monkeypatch):
    config = config_with(select="best")
    asked_at(monkeypatch, 10)
    with pytest.raises(Preempted):
        loop_in(tmp_path / "first", tiny, config).fit(tiny.params, tiny.batch_stats)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    shutil.rmtree(tmp_path / "first" / "checkpoints")
    outcome, _ = fit_at_last(tmp_path / "copy", tiny, config)
    expected, _ = fit_at_last(tmp_path / "first", tiny, config)
    assert_same_run(tmp_path / "copy", tmp_path / "first", outcome, expected)


@pytest.mark.parametrize("steps", [1, 2])
def test_damaged_checkpoints_cost_time_and_nothing_else(tiny, tmp_path, capsys, steps):
    config = config_with(checkpoint_every="2it")
    expected, _ = fit_at_last(tmp_path / "whole", tiny, config)
    with pytest.raises(Killed):
        loop_in(tmp_path / "torn", tiny, config, killed_at(2)).fit(tiny.params, tiny.batch_stats)
    newest = sorted((tmp_path / "torn" / "checkpoints").iterdir(), key=lambda path: -int(path.name))
    assert [path.name for path in newest] == ["10", "8"]
    for folder in newest[:steps]:
        shutil.rmtree(folder / "tree")
    outcome, _ = fit_at_last(tmp_path / "torn", tiny, config)
    assert capsys.readouterr().err.count("is damaged and passed over") == steps
    assert_same_run(tmp_path / "torn", tmp_path / "whole", outcome, expected)


def test_the_best_checkpoints_are_kept_as_configured(tiny, tmp_path):
    accuracies = iter([0.3, 0.9, 0.5, 0.4, 0.6])
    config = config_with(
        validate_every="3it", checkpoint_every="3it", keep_checkpoints=1, keep_best_checkpoints=2
    )
    loop_in(tmp_path, tiny, config, lambda *_: next(accuracies, 0.1)).fit(
        tiny.params, tiny.batch_stats
    )
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"6", "15", "BEST"}


def test_a_write_that_fails_stops_the_run_and_the_next_goes_on(tiny, tmp_path, monkeypatch):
    config = config_with()
    expected, _ = fit_at_last(tmp_path / "whole", tiny, config)
    calls = []

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def validate(params, stats):
        calls.append(0)
        if len(calls) == 2:
            monkeypatch.setattr("os.fsync", full)
        return 0.5

    with pytest.raises(OSError, match="No space left"):
        loop_in(tmp_path / "full", tiny, config, validate).fit(tiny.params, tiny.batch_stats)
    monkeypatch.undo()
    outcome, _ = fit_at_last(tmp_path / "full", tiny, config)
    assert_same_run(tmp_path / "full", tmp_path / "whole", outcome, expected)
