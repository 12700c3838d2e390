"""Heads that are trained together end as alone, whatever fails or is stopped."""

import json
import threading

import chex
import numpy as np
import pytest

from rtickets import stages
from rtickets.config import (
    DrawConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import InputError, InUseError, Preempted
from rtickets.runs.workers import Worker
from rtickets.settings import config_files
from rtickets.stages import cached, grid, together
from rtickets.stages.study import run_cell, run_study
from rtickets.stages.study_tickets import Where
from rtickets.storage import locks
from tests.stages.together.conftest import ONE, TRANSFERS

TICKETS = 4  # two seeds, dense and drawn


@pytest.fixture
def trained(monkeypatch):
    """How many tickets were trained at once, whenever some were."""
    calls, fit = [], cached.fit

    def spy(tickets):
        calls.append(len(tickets))
        return fit(tickets)

    monkeypatch.setattr(cached, "fit", spy)
    return calls


def assert_alone(config, workdir, cells, other):
    """Compare transfers with those that are trained alone, numbers to float32's tolerance."""
    for cell in cells:
        alone = run_cell(config, cell, other, ONE).transfer
        found = workdir / alone.path.name
        first, second = Ticket.load(found / "ticket"), Ticket.load(alone.source.ticket)
        chex.assert_trees_all_close(first.params, second.params, rtol=1e-5, atol=1e-6)
        chex.assert_trees_all_equal(first.batch_stats, second.batch_stats)
        assert first.meta == second.meta
        assert json.loads((found / "result.json").read_text()) == alone.result()
        for path in alone.path.rglob("metrics.jsonl"):
            own = (found / path.relative_to(alone.path)).read_text().splitlines()
            for one, line in zip(own, path.read_text().splitlines(), strict=True):
                assert json.loads(one) == pytest.approx(json.loads(line), rel=1e-5)


def test_all_tickets_of_a_study_are_trained_at_once(config, small, tmp_path, trained):
    study = run_study(config, tmp_path, ONE)
    assert trained == [TICKETS]
    assert len(study.result()["cells"]) == TICKETS
    for timing in tmp_path.glob("transfer-*/timing.json"):  # at two rates, by weight decay
        assert json.loads(timing.read_text())["together"] == 2 * TICKETS
    assert run_study(config, tmp_path, ONE).complete
    assert trained == [TICKETS]


def test_each_ends_as_alone(config, study, tmp_path):
    assert_alone(config, study.path.parent, grid.grid(config), tmp_path)


def test_more_features_than_fit_are_taken_in_parts(config, study, tmp_path, trained, monkeypatch):
    monkeypatch.setattr(cached, "MOST_BYTES", 5_000)
    run_study(config, tmp_path, ONE)
    assert sum(trained) == TICKETS
    assert len(trained) > 1
    cells = list(grid.grid(config))[-1:]
    assert_alone(config, study.path.parent, cells, tmp_path)


def test_a_study_may_be_told_to_train_one_after_the_other(config, study, tmp_path, trained):
    run_study(config_files.replace(config, together=1), tmp_path, ONE)
    assert trained == [1] * TICKETS
    assert next(tmp_path.glob("study-*")).name == study.path.name


def test_long_studies_train_some_after_the_other(config, study, tmp_path, trained, monkeypatch):
    monkeypatch.setattr(together, "TICKETS", 3)
    run_study(config, tmp_path, ONE)
    assert trained == [2, 2]


def test_a_ticket_that_cannot_be_drawn_costs_the_others_nothing(
    config, study, tmp_path, trained, monkeypatch
):
    draw = stages.draw

    def clumsy(drawn, source, *where):
        if "s1" in source.ticket.parent.name:
            raise InputError("cannot draw this one")
        return draw(drawn, source, *where)

    monkeypatch.setattr(stages, "draw", clumsy)
    result = run_study(config, tmp_path, ONE).result()
    assert trained == [TICKETS - 1]
    assert [(one["seed"], one["draw"]) for one in result["failed"]] == [(1, "omp")]
    assert "cannot draw" in result["failed"][0]["reason"]
    assert len(result["cells"]) == TICKETS - 1


def test_a_ticket_whose_heads_diverge_costs_the_others_nothing(
    config, study, tmp_path, monkeypatch
):
    fit = cached.fit

    def diverging(tickets):
        found = fit(tickets)
        found[1] = [each._replace(outcome=None, failed="the loss is nan") for each in found[1]]
        return found

    monkeypatch.setattr(cached, "fit", diverging)
    result = run_study(config, tmp_path, ONE).result()
    assert ["the loss is nan" in one["reason"] for one in result["failed"]] == [True]
    assert len(result["cells"]) == TICKETS - 1


def test_what_fails_together_is_trained_alone(config, study, tmp_path, trained, monkeypatch):
    fit = cached.fit

    def at_most_one(tickets):
        if len(tickets) > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: no memory for so many")
        return fit(tickets)

    monkeypatch.setattr(cached, "fit", at_most_one)
    result = run_study(config, tmp_path, ONE).result()
    assert len(result["cells"]) == TICKETS


@pytest.mark.parametrize("moment", [1, 2, 4])
def test_a_study_that_is_stopped_anywhere_ends_with_the_same_bytes(
    config, study, tmp_path, transfer_bytes, trained, monkeypatch, moment
):
    with monkeypatch.context() as patch:
        calls, written = [], TRANSFERS.write_rungs

        def stopped(*arguments):
            calls.append(1)
            if len(calls) == moment:
                raise Preempted("asked to stop")
            return written(*arguments)

        patch.setattr(TRANSFERS, "write_rungs", stopped)
        with pytest.raises(Preempted):
            run_study(config, tmp_path, ONE)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("transfer-*/COMPLETE")}
    assert len(done) == moment - 1
    run_study(config, tmp_path, ONE)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert trained == [TICKETS, TICKETS]
    assert transfer_bytes(tmp_path) == transfer_bytes(study.path.parent)


def test_nothing_is_computed_while_another_worker_has_one_of_them(config, study, tmp_path, trained):
    cells = list(grid.grid(config))
    runs = [run_cell(config, cell, tmp_path, ONE) for cell in cells[:1]]
    (tmp_path / "other").mkdir()
    asked = grid.transfer_of(
        config, cells[-1], grid.ticket_of(config, cells[-1], Where(tmp_path, ONE))
    )
    folder = asked.folder(tmp_path).path
    folder.mkdir()
    trained.clear()
    place = together.Place(tmp_path, tmp_path, ONE, set())
    with locks.locked(folder), pytest.raises(InUseError, match="in use"):
        together.train_with_others(config, cells[-1], asked, place)
    assert trained == []
    assert runs[0].transfer.complete
    together.train_with_others(config, cells[-1], asked, place)
    assert trained == [TICKETS]
    assert len(list(tmp_path.glob("transfer-*/COMPLETE"))) == TICKETS


def test_two_workers_train_every_ticket_once(
    config, study, tmp_path, transfer_bytes, trained, monkeypatch
):
    found = []

    def work(number):
        found.append(run_study(config, tmp_path, ONE, Worker(number, 2)))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(120)
    assert len(found) == 2
    assert any(each.complete for each in found)
    assert trained == [TICKETS]
    assert transfer_bytes(tmp_path) == transfer_bytes(study.path.parent)


def test_ways_of_drawing_that_are_equal_are_one_transfer(config, small, tmp_path, trained):
    twice = config_files.replace(config, draws={"omp": DrawConfig(), "same": DrawConfig()})
    result = run_study(twice, tmp_path, ONE).result()
    assert trained == [TICKETS]
    assert len(result["cells"]) == 6


def test_features_are_those_of_each_ticket(study):
    kernels = [
        np.asarray(Ticket.load(path).params["head"]["kernel"])
        for path in study.path.parent.glob("transfer-*/ticket")
    ]
    assert len({kernel.tobytes() for kernel in kernels}) == TICKETS
