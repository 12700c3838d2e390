"""Which checkpoints are kept: the newest, and the best."""

import json

import pytest

from rtickets.storage.checkpoints import Retention, discard_checkpoints
from tests.storage.checkpoints.conftest import names, restore, save, step_of, truncate


@pytest.mark.parametrize(("latest", "kept"), [(1, ["5"]), (2, ["4", "5"]), (9, list("12345"))])
def test_the_newest_are_kept(tmp_path, latest, kept):
    save(tmp_path, 1, 2, 3, 4, 5, retention=Retention(latest))
    assert names(tmp_path) == kept


SCORES = {1: 0.2, 2: 0.9, 3: None, 4: 0.9, 5: 0.5, 6: 0.1}


@pytest.mark.parametrize(
    ("best", "kept"), [(0, ["5", "6"]), (1, ["2", "5", "6"]), (2, ["2", "4", "5", "6"])]
)
def test_the_best_are_kept_besides_the_earlier_of_equals(tmp_path, best, kept):
    save(tmp_path, 1, 2, 3, 4, 5, 6, retention=Retention(2, best), scores=SCORES)
    assert [name for name in names(tmp_path) if name.isdecimal()] == kept


def test_what_was_best_before_a_restart_stays(tmp_path):
    retention = Retention(1, 1)
    for step in SCORES:
        save(tmp_path, step, retention=retention, scores=SCORES)
    assert names(tmp_path) == ["2", "6", "BEST"]


def test_a_score_that_comes_after_its_checkpoint_counts(tmp_path):
    """As after a stop while the step was being validated."""
    retention = Retention(1, 1)
    save(tmp_path, 1, retention=retention, scores=SCORES)
    save(tmp_path, 2, retention=retention)
    save(tmp_path, 2, 3, 5, retention=retention, scores=SCORES)
    assert names(tmp_path) == ["2", "2.score", "5", "BEST"]
    save(tmp_path, 7, 8, retention=retention, scores={7: 0.95, 8: None})
    assert names(tmp_path) == ["7", "8", "BEST"]


def test_a_score_goes_with_its_checkpoint(tmp_path):
    for scores in (None, SCORES):
        save(tmp_path, 1, 2, scores=scores)
    truncate(tmp_path / "2" / "meta" / "metadata")
    assert names(tmp_path) == ["1", "1.score", "2", "2.score"]
    assert step_of(restore(tmp_path)) == 1
    assert names(tmp_path) == ["1", "1.score", "2.damaged"]


def test_of_a_complete_run_the_best_stay(tmp_path):
    save(tmp_path / "plain", 1, 2, 3)
    save(tmp_path / "best", 1, 2, 3, retention=Retention(2, 1), scores=SCORES)
    (tmp_path / "best" / "3.damaged").mkdir()
    (tmp_path / "best" / "2.score").write_text("{}")
    for name in ("plain", "best", "missing"):
        discard_checkpoints(tmp_path / name)
    assert names(tmp_path) == ["best"]
    assert names(tmp_path / "best") == ["2", "BEST"]


@pytest.mark.parametrize("score", ["high", None, [1], {}])
def test_a_score_that_is_no_number_is_none(tmp_path, score):
    save(tmp_path, 1, 2, retention=Retention(1, 1))
    (tmp_path / "1.score").write_text(json.dumps({"score": score}))
    save(tmp_path, 3, 4, retention=Retention(1, 1), scores={3: 0.5, 4: 0.1})
    assert "3" in names(tmp_path)
