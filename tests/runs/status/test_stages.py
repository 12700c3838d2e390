"""The status of stages: running, stopped, steps done, time left, what they do."""

import json
import os
import time

import pytest

from rtickets.runs.status import read_status
from rtickets.runs.status_lines import as_text
from rtickets.storage.event_lines import begin_events, read_events, write_event
from tests.runs.status.conftest import NOW, here, line, make


def test_a_training_that_diverged_says_why_and_is_not_just_stopped(tmp_path, ended):
    folder = make(tmp_path, "transfer-a-0123456789", holder=here(ended))
    (folder / "FAILED").write_text("the loss is nan by \x1b[2Jstep 3")
    (found,) = read_status(tmp_path)
    assert found.state == "failed"
    assert "nan by" in as_text([found])
    assert "\x1b" not in as_text([found])
    (folder / ".lock").write_text(here(os.getpid()))  # tried again
    assert read_status(tmp_path)[0].state == "running"


@pytest.mark.parametrize(
    ("complete", "holder", "state"),
    [
        (True, None, "complete"),
        (False, None, "stopped"),
        pytest.param(False, here(os.getpid()), "running", id="this process"),
        (False, "process 1 on another-host", "running"),
        (False, "", "running"),  # it is just writing its name
    ],
)
def test_a_stage_is_complete_running_or_stopped(tmp_path, complete, holder, state):
    make(tmp_path, "pretrain-pgd-0123456789", complete=complete, holder=holder)
    (found,) = read_status(tmp_path)
    assert (found.folder, found.state) == ("pretrain-pgd-0123456789", state)
    assert found.idle_seconds == pytest.approx(100, abs=10)
    assert found.total is None


def test_a_process_that_was_killed_is_not_at_work(tmp_path, ended):
    make(tmp_path, "pretrain-pgd-0123456789", holder=here(ended))
    assert [status.state for status in read_status(tmp_path)] == ["stopped"]


def test_a_damaged_line_is_passed_over(tmp_path):
    folder = make(tmp_path, "pretrain-pgd-0123456789", lines=[line(10, NOW, compiled=True)])
    with (folder / "throughput.jsonl").open("ab") as file:
        file.write(b"\n" + bytes(300) + b"\n")
    assert [status.done for status in read_status(tmp_path)] == [10]


@pytest.mark.parametrize(
    ("lines", "each"),
    [
        ([line(10, NOW, compiled=True)], 0.5),
        ([line(10, NOW - 20, compiled=True), line(20, NOW)], 2.0),
        ([line(10, NOW - 9000, compiled=True), line(20, NOW, compiled=True)], 0.5),  # was resumed
    ],
)
def test_the_time_left_is_that_of_the_last_steps(tmp_path, lines, each):
    make(tmp_path, "pretrain-pgd-0123456789", lines=lines, holder=here(os.getpid()))
    (found,) = read_status(tmp_path)
    assert (found.done, found.total) == (lines[-1]["step"], 100)
    left = (100 - found.done) * each - (time.time() - NOW)
    assert found.seconds_left == pytest.approx(max(left, 0), abs=5)
    assert found.images_per_second == 640


def test_what_does_not_run_has_no_time_left(tmp_path):
    make(tmp_path, "draw-imp-0123456789", lines=[line(10, NOW, compiled=True)])
    (found,) = read_status(tmp_path)
    assert found.seconds_left is None
    assert "10 of 100 steps (10%), 640 images/s" in as_text([found])


def test_steps_that_do_not_rise_divide_by_nothing(tmp_path):
    lines = [line(10, NOW - 20, compiled=True), line(10, NOW)]
    make(tmp_path, "pretrain-pgd-0123456789", lines=lines, holder=here(os.getpid()))
    (found,) = read_status(tmp_path)
    assert (found.done, found.state) == (10, "running")


@pytest.mark.parametrize("pid", ["9" * 30, str(2**31)])
def test_a_holder_that_cannot_be_is_none(tmp_path, pid):
    make(tmp_path, "pretrain-pgd-0123456789", holder=here(pid))
    assert [status.state for status in read_status(tmp_path)] == ["stopped"]


def test_the_rungs_of_a_ladder_count_together(tmp_path):
    folder = make(tmp_path, "transfer-a-0123456789", holder=here(os.getpid()))
    now = time.time()  # other tests may have taken minutes since this file was read
    for name, lines in (("rate0.1", [line(100, now - 50)]), ("rate0.2", [line(40, now)])):
        (folder / "rungs" / name).mkdir(parents=True)
        text = "".join(json.dumps(one) + "\n" for one in lines)
        (folder / "rungs" / name / "throughput.jsonl").write_text(text)
    (folder / "rungs" / "rate0.3").mkdir()
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.total) == ("running", 140, 300)
    assert found.seconds_left == pytest.approx(160 * 0.5, abs=20)


def test_a_stopped_search_says_its_steps_and_its_last_event_before_its_first_line(tmp_path, ended):
    folder = make(tmp_path, "search-a-0123456789", holder=here(ended))
    begin_events(folder, 36)
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.total, found.event) == ("stopped", 0, 36, None)
    assert "0 of 36 steps (0%)" in as_text([found])
    shrunk = {"step": 8, "last_step": 36, "events": ["search"], "channels": [305, 320]}
    write_event(folder, shrunk)
    write_event(folder, {**shrunk, "step": 12, "events": ["search", "prune"], "sparsity": 0.2})
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.total) == ("stopped", 12, 36)
    assert found.event == "step 12, 20% of the weights pruned, 305 of 320 channels"
    text = as_text([found])
    assert "12 of 36 steps (33%), last event: step 12" in text
    (folder / "checkpoints" / "15").mkdir(parents=True)  # what a stop saves
    (folder / "checkpoints" / "16.orbax-checkpoint-tmp").mkdir()
    assert read_status(tmp_path)[0].done == 15
    begin_events(folder, 36)  # it goes on
    write_event(folder, {**shrunk, "step": 16})
    (folder / "throughput.jsonl").write_text(json.dumps({**line(18, NOW), "last_step": 36}) + "\n")
    assert read_status(tmp_path)[0].done == 18


def test_a_training_says_what_it_does_before_its_first_line(tmp_path, ended):
    folder = make(tmp_path, "pretrain-a-0123456789", holder=here(os.getpid()), age=90)
    (found,) = read_status(tmp_path)
    assert (found.total, found.doing) == (None, None)  # it reads data
    assert found.seconds_at_work == pytest.approx(90, abs=10)
    assert "at work for" in as_text([found])
    begin_events(folder, 400)
    (found,) = read_status(tmp_path)
    assert (found.done, found.total, found.seconds_left) == (0, 400, None)
    assert "0 of 400 steps (0%)" in as_text([found])
    assert "compiling" in as_text([found])
    (folder / "throughput.jsonl").write_text(json.dumps(line(10, time.time() + 1)) + "\n")
    assert read_status(tmp_path)[0].doing is None
    (folder / "throughput.jsonl").write_text(json.dumps(line(10, NOW - 500)) + "\n")
    assert read_status(tmp_path)[0].doing is not None  # it went on a moment ago
    (folder / ".lock").write_text(here(ended))
    (found,) = read_status(tmp_path)
    assert (found.state, found.doing, found.seconds_at_work) == ("stopped", None, None)


def test_a_training_without_a_checkpoint_begins_its_events_again(tmp_path):
    begin_events(tmp_path, 36)
    write_event(tmp_path, {"step": 8, "last_step": 36})
    begin_events(tmp_path, 36)
    assert [each["step"] for each in read_events(tmp_path)] == [0]
