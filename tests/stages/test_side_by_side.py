"""Tickets of a study that are finetuned side by side end as each does alone."""

import json

import chex
import pytest

from rtickets import stages
from rtickets.config import (
    AttackConfig,
    DrawConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import ChangedError, InUseError, Preempted
from rtickets.platform import parallel
from rtickets.runs import environment
from rtickets.runs.folders import StartingTicket
from rtickets.settings import config_files
from rtickets.stages import choosing, grid
from rtickets.stages.side_by_side import run_side_by_side
from rtickets.stages.study import run_cell, run_study
from rtickets.stages.transfer import Asked
from rtickets.storage import locks
from rtickets.storage.files import write_json
from rtickets.training.loop import Loop

SHORT = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.05), duration="4it", batch_size=8,
    validate_every="2it", checkpoint_every="2it",
)  # fmt: skip
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(norm="l2", eps=0.3, num_steps=1))
ONE = parallel.local_devices(1)


@pytest.fixture(scope="module")
def config(source_and_target):
    """A study of three tickets for each of two transfers, two of which are trained at once."""
    source, target = source_and_target
    robust = config_files.replace(SHORT, objective=ROBUST, select="last")
    return StudyConfig(
        name="side",
        pretrain=PretrainConfig(data=source, model=ModelConfig(width=0.03125), train=SHORT),
        objectives={"natural": ObjectiveConfig()},
        draws={"omp": DrawConfig()},
        sparsities=(0.5, 0.8),
        transfers={
            "natural": TransferConfig(data=target, train=SHORT, learning_rates=(0.01, 0.05)),
            "robust": TransferConfig(data=target, train=robust),
        },
        evaluate=EvaluateConfig(batch_size=24),
        together=2,
    )


@pytest.fixture(scope="module")
def study(config, small, tmp_path_factory):
    return run_study(config, tmp_path_factory.mktemp("runs"), ONE)


def test_each_ends_as_alone(config, study, tmp_path):
    for cell in grid.grid(config):
        alone = run_cell(config, cell, tmp_path, ONE).transfer
        found = study.path.parent / alone.path.name
        first, second = Ticket.load(found / "ticket"), Ticket.load(alone.source.ticket)
        chex.assert_trees_all_close(first.params, second.params, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_close(first.batch_stats, second.batch_stats, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_equal(first.mask, second.mask)
        assert first.meta == second.meta
        result = json.loads((found / "result.json").read_text())
        assert result["validation"] == pytest.approx(alone.result()["validation"], abs=1e-4)
        for name in set(result) - {"validation", "rungs", "ladder_ends"}:
            assert result[name] == alone.result()[name]


@pytest.mark.parametrize("dispatch", [1, 6, 11])
def test_a_study_that_is_stopped_anywhere_ends_with_the_same_bytes(
    config, study, tmp_path, transfer_bytes, monkeypatch, dispatch
):
    with monkeypatch.context() as patch:
        calls, step = [], Loop._dispatch

        def stopped(*arguments):
            if "transfer" in str(arguments[0].folder):
                calls.append(1)
            if len(calls) > dispatch:
                raise Preempted("asked to stop")
            return step(*arguments)

        patch.setattr(Loop, "_dispatch", stopped)
        with pytest.raises(Preempted):
            run_study(config, tmp_path, ONE)
    run_study(config, tmp_path, ONE)
    assert transfer_bytes(tmp_path) == transfer_bytes(study.path.parent)


@pytest.fixture
def times(monkeypatch, tmp_path):
    """Seconds of a step by how many are trained at once, in the place of measuring; and a cache."""
    found, asked = {1: 1.0}, []

    def time(sample, size, **options):
        asked.append(size)
        return found[size]

    monkeypatch.setattr(choosing, "time_step", time)
    monkeypatch.setattr(choosing, "_file", lambda sample: tmp_path / "cache.json")
    return found, asked


def choose(folder, count=32, steps=1000, sample=None):
    folder.mkdir(exist_ok=True)
    one = choosing.Sample(*[None] * 5, total=steps)
    return choosing.chosen_size(folder / "together.json", "x", sample or (lambda: one), count)


@pytest.mark.parametrize(
    ("measured", "count", "expected", "timed"),
    [
        ({2: 4.6}, 32, 1, 2),  # convolutions on a CPU
        ({2: 0.95}, 32, 1, 2),  # which may be noise
        ({2: 0.6, 4: 0.4, 8: 0.39}, 32, 4, 8),
        ({2: 0.6, 4: 0.4, 8: 0.3, 16: 0.2, 32: 0.1}, 32, 32, 32),
        ({2: 0.6, 4: 0.4}, 7, 4, 4),
    ],
)
def test_the_smallest_number_that_is_clearly_fastest_is_chosen(
    times, tmp_path, measured, count, expected, timed
):
    found, asked = times
    found |= measured
    assert choose(tmp_path / "one", count) == expected
    assert max(asked) == timed
    asked.clear()
    assert choose(tmp_path / "other", count) == expected  # another study, from the cache
    assert asked == []


def test_a_study_goes_on_with_what_it_chose(times, tmp_path):
    found, _ = times
    found |= {2: 0.5, 4: 0.5}
    assert choose(tmp_path / "one") == 2
    (tmp_path / "cache.json").write_text(json.dumps({"1": 1.0, "2": 9.0}))
    assert choose(tmp_path / "one") == 2
    assert choose(tmp_path / "other") == 1


DAMAGED = [
    "",
    "[]",
    '{"1": "x"}',
    '{"1": NaN}',
    '{"2": 0.1}',
    '{"1": 1.0, "99": 1e-9}',
    '{"1": 0.0}',
]


@pytest.mark.parametrize("stored", DAMAGED)
def test_what_was_measured_and_is_damaged_is_measured_anew(times, tmp_path, stored):
    found, _ = times
    found |= {2: 0.5, 4: 0.5}
    (tmp_path / "cache.json").write_text(stored)
    assert choose(tmp_path / "one") == 2
    assert json.loads((tmp_path / "cache.json").read_text()) == {"1": 1.0, "2": 0.5, "4": 0.5}


def test_what_was_measured_counts_where_it_cannot_be_kept(times, tmp_path, monkeypatch, capsys):
    found, _ = times
    found |= {2: 0.5, 4: 0.5}
    (tmp_path / "file").touch()
    monkeypatch.setattr(choosing, "_file", lambda sample: tmp_path / "file" / "cache.json")
    assert choose(tmp_path / "one") == 2
    assert "not kept" in capsys.readouterr().err


@pytest.mark.parametrize("stored", ["", "[]", '{"x": "2"}', '{"x": 3}', '{"x": -1}', '{"x": true}'])
def test_a_damaged_choice_is_made_anew_and_said(times, tmp_path, stored, capsys):
    found, _ = times
    found |= {2: 0.5, 4: 0.5}
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "together.json").write_text(stored)
    assert choose(tmp_path / "one") == 2
    assert "together.json is damaged" in capsys.readouterr().err
    assert json.loads((tmp_path / "one" / "together.json").read_text()) == {"x": 2}


def test_one_worker_chooses_for_all(times, tmp_path):
    found, asked = times
    found |= {2: 0.5, 4: 0.5}
    (tmp_path / "one").mkdir()
    with locks.locked(tmp_path / "one"), pytest.raises(InUseError):
        choose(tmp_path / "one")
    assert asked == []
    assert choose(tmp_path / "one") == 2
    with locks.locked(tmp_path / "one"):
        assert choose(tmp_path / "one", sample=lambda: pytest.fail("begun once more")) == 2


def test_what_cannot_be_trained_at_once_is_one_after_the_other(times, tmp_path):
    _, asked = times
    assert choose(tmp_path / "one", sample=lambda: None) == 1
    assert asked == []


def test_a_ticket_under_other_settings_is_met_before_any_is_trained(
    config, small, tmp_path, monkeypatch
):
    start = StartingTicket(tmp_path, "0123456789")
    asked = [Asked(config.transfers[name], start, name) for name in ("natural", "robust")]
    folder = asked[1].folder(tmp_path).path
    environment.record(tmp_path)
    (stored,) = environment.read(tmp_path)
    folder.mkdir()
    then = {**stored, "matmul_precision": "another"}
    write_json(folder / "environment.json", {"environments": [then]})
    monkeypatch.setattr(stages, "transfer", lambda *_: pytest.fail("trained"))
    with pytest.raises(ChangedError, match="another"):
        run_side_by_side(asked, 2, tmp_path, ONE)


def test_little_work_is_not_worth_measuring(times, tmp_path):
    _, asked = times
    assert choose(tmp_path / "one", count=4, steps=100) == 1
    assert asked == [1]
    assert not (tmp_path / "cache.json").exists()


def test_steps_are_timed(config, study, tmp_path, monkeypatch):
    """What is compiled takes steps of one and of two, by the study's own settings."""
    monkeypatch.setattr(choosing, "_WORTH", 0.0)
    monkeypatch.setattr(choosing, "SIZES", (1, 2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    measured = config_files.replace(config, together=None, sparsities=(0.5,))
    found = run_study(measured, tmp_path / "runs", ONE)
    kept = json.loads((found.path / "together.json").read_text())
    assert set(kept) == {"natural of natural", "robust of natural"}
    assert set(kept.values()) <= {1, 2}
    files = list((tmp_path / "cache" / "rtickets" / "together").iterdir())
    assert [set(json.loads(file.read_text())) for file in files] == [{"1", "2"}] * 2
