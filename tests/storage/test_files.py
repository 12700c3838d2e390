import json
import os
from pathlib import Path

import pytest

from rtickets.errors import InputError
from rtickets.storage.files import (
    open_metrics,
    read_json,
    read_metrics,
    read_sound_lines,
    write_bytes,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def write_lines(path, steps, length=0):
    with open_metrics(path, length) as file:
        for step in steps:
            file.write({"step": step, "loss": 1 / (step + 1)})


def test_lines_are_read_back_in_order(path):
    write_lines(path, range(3))
    assert read_metrics(path) == [{"step": s, "loss": 1 / (s + 1)} for s in range(3)]


def test_a_line_is_one_line_whatever_it_holds(path):
    values = {"text": "a\nb\u2028c\x85d", "list": [1, None, True], "ünï": {"x": 1e-300}}
    with open_metrics(path) as file:
        file.write(values)
    assert path.read_bytes().count(b"\n") == 1
    assert read_metrics(path) == [values]


def test_lines_can_be_read_while_the_file_is_open(path):
    with open_metrics(path) as file:
        file.write({"step": 1})
        assert read_metrics(path) == [{"step": 1}]
        assert file.length == path.stat().st_size == len('{"step": 1}\n')


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        (None, []),
        (b"", []),
        (b'{"step": 1}\n{"step":', [1]),
        (b'{"step": 1}\n' + bytes(40), [1]),
        (b'{"step": 1}\n' + bytes(5) + b'\n{"step": 3}\n', [1, 3]),
        (b'{"step": 1\n\xff\xfe\n7\n[]\n\n{"step": 3}\n', [3]),
    ],
)
def test_of_damaged_lines_the_sound_ones_are_read(path, data, steps):
    if data is not None:
        path.write_bytes(data)
    assert read_sound_lines(path) == [{"step": step} for step in steps]


def test_a_file_starts_empty(path):
    write_lines(path, range(5))
    write_lines(path, [])
    assert path.read_bytes() == b""


def test_a_resumed_file_equals_one_that_was_never_killed(path, tmp_path):
    write_lines(tmp_path / "whole", range(6))
    with open_metrics(path) as file:
        for step in range(3):
            file.write({"step": step, "loss": 1 / (step + 1)})
        saved = file.length
        file.write({"step": 3, "loss": 0.25})
    with path.open("ab") as torn:
        torn.write(b'{"step": 4, "lo')
    write_lines(path, range(3, 6), saved)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_resumed_file_that_is_shorter_than_it_was_is_not_padded(path):
    write_lines(path, [1], length=100)
    assert read_metrics(path) == [{"step": 1, "loss": 0.5}]


def test_written_files_are_read_back(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None], "ä": "ö"})
    write_text(tmp_path / "b.txt", "grün\n")
    write_bytes(tmp_path / "c.bin", b"\0\xff")
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, 2.5, None], "ä": "ö"}
    assert (tmp_path / "b.txt").read_bytes() == "grün\n".encode()
    assert (tmp_path / "c.bin").read_bytes() == b"\0\xff"
    assert names(tmp_path) == ["a.json", "b.txt", "c.bin"]


def test_a_file_is_replaced(tmp_path):
    for text in ("long old text", "new"):
        write_text(tmp_path / "file", text)
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace"])
def test_a_torn_write_leaves_what_was_there(tmp_path, monkeypatch, where, existed):
    if existed:
        write_text(tmp_path / "file", "old")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, killed)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "file", "new")
    monkeypatch.undo()
    assert (tmp_path / "file").exists() == existed
    if existed:
        assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"] * existed
    write_text(tmp_path / "file", "newer")
    assert names(tmp_path) == ["file"]


def test_the_contents_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr("os.fsync", lambda fd: calls.append("fsync") or fsync(fd))
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *paths: calls.append("replace") or replace(*paths)
    )
    write_bytes(tmp_path / "file", b"data")
    assert calls == ["fsync", "replace"]


def test_two_processes_of_one_id_may_write_the_same_file(tmp_path, monkeypatch):
    """Every container's process is number 1; one writes while the other is about to replace."""
    replace = Path.replace

    def slow(temporary, path):
        patch.undo()
        write_text(tmp_path / "file", "second")
        return replace(temporary, path)

    monkeypatch.setattr("os.getpid", lambda: 1)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", slow)
        write_text(tmp_path / "file", "first")
    assert (tmp_path / "file").read_text() == "first"
    assert names(tmp_path) == ["file"]


def test_values_that_json_cannot_hold_leave_what_was_there(tmp_path):
    write_json(tmp_path / "file", 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "file", {"x": object()})
    assert (tmp_path / "file").read_text() == "1\n"


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_what_is_no_file_of_the_folder_is_neither_written_nor_cut(tmp_path, path, kind):
    (tmp_path / "mine").write_text("mine")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("mine" if kind == "link" else "nowhere"))
    with pytest.raises(InputError, match=r"metrics\.jsonl is "):
        write_lines(path, [1])
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_is_not_waited_for_by_those_who_read(path):
    os.mkfifo(path)
    for read in (read_metrics, read_sound_lines, read_json):
        with pytest.raises(InputError, match="regular file"):
            read(path)


def test_a_file_is_written_in_the_place_of_a_link_and_not_behind_it(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink()
