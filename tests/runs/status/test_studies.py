"""The status of studies: what they have measured, and what failed."""

import os
import time

import pytest

from rtickets.runs.status import read_status
from rtickets.runs.status_lines import as_text
from rtickets.stages import study_progress
from tests.runs.status.conftest import here, make


def test_a_study_counts_what_failed(tmp_path):
    folder = make(tmp_path, "study-a-0123456789", complete=True)
    study_progress.begin_study(folder, [{}, {}, {}])
    study_progress.done(folder, 0)
    study_progress.failed(folder, 2, "the loss is nan")
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.total, found.failed) == ("complete", 1, 3, 1)
    assert "1 failed" in as_text([found])


def test_a_study_counts_what_it_has_measured(tmp_path):
    study = make(tmp_path, "study-demo-0123456789")
    make(tmp_path, "evaluate-x-0123456789", holder=here(os.getpid()), age=200)
    study_progress.begin_study(study, [{"seed": 0}] * 8)
    for number, age in enumerate((90, 60, 30)):
        study_progress.done(study, number)
        (file,) = study.glob(f"done/*{number}")
        os.utime(file, (time.time() - age,) * 2)
    found, stage = read_status(tmp_path)
    assert (found.done, found.total, found.state) == (3, 8, "running")
    assert found.seconds_left == pytest.approx(5 * 30 - 30, abs=10)
    assert stage.state == "running"
    (study / "COMPLETE").write_text("")
    assert read_status(tmp_path)[0].state == "complete"


def test_a_comparison_of_pipelines_counts_its_cells(tmp_path):
    study = make(tmp_path, "pipelines-a-0123456789")
    study_progress.begin_study(study, [{"pipeline": "search"}] * 4)
    study_progress.done(study, 0)
    study_progress.failed(study, 1, "the loss is nan")
    (found,) = read_status(tmp_path)
    assert (found.done, found.total, found.failed, found.state) == (1, 4, 1, "stopped")
    assert "1 of 4 measured (25%), 1 failed" in as_text([found])


def test_a_unit_is_written_down_once(tmp_path):
    study_progress.begin_study(tmp_path, [{}])
    assert study_progress.done(tmp_path, 0)
    assert not study_progress.done(tmp_path, 0)
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["00000"]


def test_a_unit_is_written_down_at_once(tmp_path, monkeypatch):
    """A kill leaves nothing half written that no command would clear away."""
    study_progress.begin_study(tmp_path, [{}])
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("killed"))
    assert study_progress.done(tmp_path, 0)
