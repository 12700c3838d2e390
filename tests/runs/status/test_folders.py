"""The verb, and folders that are none or that somebody else made."""

import json
import os
import subprocess
import sys

import pytest

from rtickets import cli
from rtickets.errors import InputError
from rtickets.runs.status import read_status
from rtickets.runs.status_lines import as_text, duration
from tests.runs.status.conftest import NOW, here, line, make


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
