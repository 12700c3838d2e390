"""A run that is asked to stop ends bit-equal, wherever that was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.errors import Preempted
from rtickets.training.loop import Loop
from tests.training.loop.conftest import (
    asked_at,
    assert_same_run,
    config_with,
    fit_at_last,
    loop_in,
)


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
