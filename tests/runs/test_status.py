import json
import os
import socket
import subprocess
import sys
import time

import pytest

from rtickets import cli
from rtickets.errors import InputError
from rtickets.runs.status import read_status
from rtickets.runs.status_lines import as_text, duration
from rtickets.stages import study_progress
from rtickets.storage.event_lines import begin_events, read_events, write_event

NOW = time.time()


def make(workdir, name, *, complete=False, lines=(), holder=None, age=100.0):
    folder = workdir / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if lines:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "throughput.jsonl").write_text(text + '{"step": 99, "la')  # still being written
    if holder is not None:
        (folder / ".lock").write_text(holder)
    if complete:
        (folder / "COMPLETE").write_text("0123456789\n")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def line(step, time, compiled=False):
    return {
        "step": step, "last_step": 100, "time": time, "steps": 10, "seconds": 5.0,
        "compiled": compiled, "images_per_second": 640.0,
    }  # fmt: skip


def here(pid):
    return f"process {pid} on {socket.gethostname()}"


@pytest.fixture(scope="module")
def ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_training_that_diverged_says_why_and_is_not_just_stopped(tmp_path, ended):
    folder = make(tmp_path, "transfer-a-0123456789", holder=here(ended))
    (folder / "FAILED").write_text("the loss is nan by \x1b[2Jstep 3")
    (found,) = read_status(tmp_path)
    assert found.state == "failed"
    assert "nan by" in as_text([found])
    assert "\x1b" not in as_text([found])
    (folder / ".lock").write_text(here(os.getpid()))  # tried again
    assert read_status(tmp_path)[0].state == "running"


def test_a_study_counts_what_failed(tmp_path):
    folder = make(tmp_path, "study-a-0123456789", complete=True)
    study_progress.begin_study(folder, [{}, {}, {}])
    study_progress.done(folder, 0)
    study_progress.failed(folder, 2, "the loss is nan")
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.total, found.failed) == ("complete", 1, 3, 1)
    assert "1 failed" in as_text([found])


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


def test_other_things_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / "pretrain-pgd-0123456789").mkdir()  # no config.json: nothing has begun
    (tmp_path / "notes.txt").write_text("")
    assert read_status(tmp_path) == []
    assert as_text([]) == "nothing has been run here"


def test_a_folder_that_is_not_there_is_bad_input(tmp_path, capsys):
    with pytest.raises(InputError, match="is no folder"):
        read_status(tmp_path / "nowhere")
    run = tmp_path / "draw-omp0.9-0123456789"
    run.mkdir()
    (run / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"is one run; .*folder"):
        read_status(run)
    assert cli.main(["status", str(tmp_path / "nowhere")]) == 2
    assert cli.main(["status", str(tmp_path), "--config.a=1"]) == 2
    assert "no configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min"),
     (3 * 86400, "3 d 0 h")],
)  # fmt: skip
def test_durations_are_said_as_a_person_would(seconds, text):
    assert duration(seconds) == text


def test_the_verb_prints_json_and_does_not_import_jax(tmp_path):
    make(tmp_path, "pretrain-pgd-0123456789", complete=True)
    code = (
        "import sys; from rtickets import cli; "
        f"cli.main(['status', {str(tmp_path)!r}, '--json']); "
        "sys.exit('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["state"] == "complete"
    assert set(found) == set(read_status(tmp_path)[0]._fields)


# --- folders that somebody else made --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]\n", '{"step": 3}\n', '{"step": "x", "last_step": null}\n', "\0\xff\n",
     '{"a":' * 3000 + "1" + "}" * 3000 + "\n",
     json.dumps({**line(10, NOW), "steps": 0}) + "\n",
     json.dumps({**line(10, NOW), "time": "soon"}) + "\n",
     json.dumps({**line(10, NOW), "last_step": 10**400}) + "\n",
     json.dumps({**line(10, NOW), "images_per_second": float("nan")}) + "\n"],
)  # fmt: skip
def test_lines_that_are_none_count_nothing(tmp_path, text):
    folder = make(tmp_path, "pretrain-pgd-0123456789")
    (folder / "throughput.jsonl").write_bytes(text.encode("latin-1"))
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.problem) == ("stopped", None, None)


def test_steps_that_do_not_rise_divide_by_nothing(tmp_path):
    lines = [line(10, NOW - 20, compiled=True), line(10, NOW)]
    make(tmp_path, "pretrain-pgd-0123456789", lines=lines, holder=here(os.getpid()))
    (found,) = read_status(tmp_path)
    assert (found.done, found.state) == (10, "running")


def spoil(folder, kind):
    if kind == "units":
        (folder / "units.json").write_text("[{")
    elif kind == "units of another kind":
        (folder / "units.json").write_text("5")
    elif kind == "pipe for units":
        (folder / "units.json").symlink_to("pipe")
        os.mkfifo(folder / "pipe")
    elif kind == "pipe for a lock":
        os.mkfifo(folder / ".lock")
    elif kind == "endless throughput":
        (folder / "throughput.jsonl").symlink_to("/dev/zero")
    elif kind == "folder for a lock":
        (folder / ".lock").mkdir()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("study-x-0123456789", "units"),
        ("study-x-0123456789", "units of another kind"),
        ("pretrain-x-0123456789", "pipe for a lock"),
        ("pretrain-x-0123456789", "folder for a lock"),
        ("pretrain-x-0123456789", "endless throughput"),
    ],
)
def test_a_damaged_folder_says_so_and_hides_no_other(tmp_path, capsys, name, kind):
    spoil(make(tmp_path, name), kind)
    make(tmp_path, "draw-omp-0123456789", complete=True)
    states = {status.folder: status.state for status in read_status(tmp_path)}
    assert states == {name: "damaged", "draw-omp-0123456789": "complete"}
    assert cli.main(["status", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    (damaged,) = (one for one in shown if one.startswith(name))
    assert "damaged" in damaged
    assert cli.main(["status", str(tmp_path), "--json"]) == 0
    assert [one["problem"] is None for one in json.loads(capsys.readouterr().out)].count(False) == 1


def test_names_of_folders_move_nothing_on_a_terminal(tmp_path):
    make(tmp_path, "pretrain-\x1b[2Jx\ny-0123456789")
    (shown,) = as_text(read_status(tmp_path)).splitlines()
    assert r"\x1b[2Jx\ny" in shown


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


@pytest.mark.parametrize(
    "text", ['{"step": 1', '{"step": "1", "last_step": 3}\n', '{"step": -1, "last_step": 1}\n[]\n']
)
def test_damaged_events_hide_nothing(tmp_path, ended, text):
    folder = make(tmp_path, "search-a-0123456789", holder=here(ended))
    (folder / "events.jsonl").write_text(text)
    (found,) = read_status(tmp_path)
    assert (found.state, found.done, found.event) == ("stopped", None, None)
    (folder / "events.jsonl").write_text(
        '{"step": 9, "last_step": 9, "channels": "many", "sparsity": "\\u001b"}\n'
    )
    assert read_status(tmp_path)[0].event == "step 9"
