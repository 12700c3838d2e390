"""Run folders beside other processes, damaged, behind links, and asked to stop."""

import os
from contextlib import contextmanager

import numpy as np
import pytest

from rtickets.config import DrawConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError, Preempted
from rtickets.platform import preemption
from rtickets.runs import folders
from rtickets.runs.folders import StartingTicket, find_ticket, folder_of, run_once
from rtickets.storage.temporary import temporary_name


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    return folder_of(
        tmp_path, "draw", "omp", DrawConfig(sparsity=0.5), StartingTicket(tmp_path, "abc")
    )


@pytest.fixture
def complete(folder):
    def body(path):
        weights = {"kernel": np.array([1, 2], np.float32)}
        Ticket({"kernel": np.array([True, False])}, weights).save(path / "ticket")
        return {"kept": 3}

    return run_once(folder, body)


def never(_):
    raise AssertionError("the body ran again")


def test_a_folder_in_use_is_refused_before_anything_is_touched(folder, tmp_path):
    def body(path):
        before = {file: file.stat().st_mtime_ns for file in path.iterdir()}
        with pytest.raises(InputError, match=r"in use by process \d+ on .*; wait"):
            run_once(folder, never)
        assert {file: file.stat().st_mtime_ns for file in path.iterdir()} == before
        return {"kept": 1}

    assert run_once(folder, body).result() == {"kept": 1}
    assert names(folder.path) == ["COMPLETE", "config.json", "environment.json", "result.json"]


def test_a_folder_that_another_process_completed_meanwhile_is_not_run_again(folder, monkeypatch):
    begun = folders.begun

    @contextmanager
    def overtaken(*arguments):
        run_once(folder, lambda _: {"by": "another"})
        with begun(*arguments):
            yield

    with monkeypatch.context() as patch:
        patch.setattr(folders, "begun", lambda *a: (patch.undo(), overtaken(*a))[1])
        assert run_once(folder, never).result() == {"by": "another"}


def test_what_a_killed_process_was_writing_is_cleared_away_and_nothing_else(folder):
    folder.path.mkdir(parents=True)
    for name in (".result.json.123", ".nfs0001", "notes.txt", ".lock"):
        (folder.path / name).write_text("x")
    for name in (".ticket.77", ".ticket.77.old"):
        (folder.path / name / "deep").mkdir(parents=True)
    temporary_name(folder.path / "result.json").write_text("x")
    # also in the folders of a run, as the tickets of a search, but not where others are at work
    kept = folder.path / "tickets" / "step3", folder.path / "cells" / ".b.json.5"
    for path in (*kept, folder.path / "tickets" / ".step4.9", folder.path / "rungs" / "1" / ".t.8"):
        path.mkdir(parents=True)
    run_once(folder, lambda _: {})
    assert names(folder.path) == [
        ".nfs0001",
        "COMPLETE",
        "cells",
        "config.json",
        "environment.json",
        "notes.txt",
        "result.json",
        "rungs",
        "tickets",
    ]
    assert all(path.is_dir() for path in kept)
    assert names(folder.path / "tickets") == ["step3"]
    assert names(folder.path / "rungs" / "1") == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\0\xff"])
@pytest.mark.parametrize("done", [True, False])
def test_a_damaged_configuration_is_one_line(folder, text, done):
    if done:
        run_once(folder, lambda _: {})
    folder.path.mkdir(parents=True, exist_ok=True)
    (folder.path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"config\.json is damaged: .* remove") as e:
        run_once(folder, never)
    assert "\n" not in str(e.value)


def test_a_damaged_result_is_one_line(complete):
    (complete.path / "result.json").write_text('{"kept": ')
    with pytest.raises(InputError, match=r"result\.json is damaged: "):
        complete.result()


def test_a_process_that_was_asked_to_stop_begins_nothing(folder, monkeypatch):
    monkeypatch.setattr(preemption, "requested", lambda: True)
    with pytest.raises(Preempted):
        run_once(folder, never)
    assert not folder.path.exists()


def test_behind_a_link_in_the_place_of_a_run_nothing_is_written_or_removed(folder, tmp_path):
    foreign = tmp_path / "foreign"
    (foreign / "checkpoints").mkdir(parents=True)
    (foreign / ".notes.12").write_text("mine")
    folder.path.symlink_to(foreign)
    with pytest.raises(InputError, match="is a symbolic link"):
        run_once(folder, never)
    with pytest.raises(InputError, match="is a symbolic link"):
        folders.begin_run(folder)
    assert names(foreign) == [".notes.12", "checkpoints"]


def test_a_complete_run_may_lie_elsewhere(complete, tmp_path):
    complete.path.rename(tmp_path / "other-disk")
    complete.path.symlink_to("other-disk")
    assert run_once(complete, never).result() == {"kept": 3}


def test_links_that_look_like_remains_are_removed_and_what_they_lead_to_is_not(folder, tmp_path):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    folder.path.mkdir()
    (folder.path / ".ticket.12").symlink_to(tmp_path / "mine")
    (folder.path / ".a\nb.12").mkdir()
    run_once(folder, lambda _: {})
    assert not any(name.startswith(".") for name in names(folder.path))
    assert (tmp_path / "mine" / "deep").is_dir()


@pytest.mark.parametrize("text", ["", "../../x", "0123456789abcdef", "\xff", "[1]\n"])
def test_a_damaged_mark_is_one_line(complete, text):
    (complete.path / "COMPLETE").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="COMPLETE is damaged") as caught:
        find_ticket(str(complete.path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(complete, name):
    (complete.path / name).unlink()
    os.mkfifo(complete.path / name)
    if name == "result.json":
        with pytest.raises(InputError, match=r"result\.json is no regular file"):
            complete.result()
    else:
        run_once(complete, never)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"a": ' + "[" * 150 + "]" * 150 + "}",
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=["deep", "nested", "long"],
)
def test_numbers_and_nesting_beyond_all_measure_are_damage(complete, text):
    (complete.path / "result.json").write_text(text)
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        complete.result()


def refused(_):
    raise InputError("does not fit")


def test_a_stage_that_is_refused_leaves_no_folder(folder, tmp_path):
    with pytest.raises(InputError, match="does not fit"):
        run_once(folder, refused)
    assert names(tmp_path) == []


def test_a_stage_that_is_refused_keeps_what_was_there_and_what_was_done(folder, tmp_path):
    def late(path):
        (path / "metrics.jsonl").touch()
        raise InputError("does not fit")

    folder.path.mkdir()
    (tmp_path / "mine").touch()
    with pytest.raises(InputError):
        run_once(folder, refused)
    assert names(tmp_path) == sorted([folder.path.name, "mine"])
    with pytest.raises(InputError):
        run_once(folder, late)
    assert "metrics.jsonl" in names(folder.path)


def test_what_is_checked_before_a_study_begins_leaves_no_folder(folder, tmp_path):
    with pytest.raises(InputError, match="does not fit"):
        folders.begin_run(folder, lambda: refused(None))
    assert names(tmp_path) == []
