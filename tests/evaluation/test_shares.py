import pytest

from rtickets.errors import Preempted
from rtickets.evaluation.shares import do_share
from rtickets.platform import processes


def never(folder):
    raise Preempted("asked to stop")


def test_work_finds_a_folder_for_its_state(tmp_path):
    assert do_share(lambda folder: folder.is_dir() and folder, tmp_path / "a" / "b") == (
        tmp_path / "a" / "b"
    )


def test_a_process_that_is_asked_to_stop_tells_the_others(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(processes, "any_process", lambda flag: told.append(flag) or flag)
    with pytest.raises(Preempted):
        do_share(never, tmp_path)
    assert told == [True]


def test_a_process_that_is_done_stops_with_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "any_process", lambda flag: True)
    with pytest.raises(Preempted):
        do_share(lambda folder: 1, tmp_path)


def test_each_of_several_processes_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 3)
    monkeypatch.setattr("jax.process_index", lambda: 1)
    monkeypatch.setattr(processes, "any_process", lambda flag: flag)
    assert do_share(lambda folder: folder.name, tmp_path / "pgd") == "pgd-1of3"
