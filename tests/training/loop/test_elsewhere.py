"""A run goes on with other devices, in other folders, from damaged checkpoints."""

import errno
import shutil

import chex
import pytest

from rtickets.errors import Preempted
from rtickets.storage.files import read_metrics
from tests.training.loop.conftest import (
    Killed,
    asked_at,
    assert_same_run,
    config_with,
    fit_at_last,
    killed_at,
    loop_in,
)


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
