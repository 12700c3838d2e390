"""Folders of studies that cannot be written to, or that somebody else made."""

import json
import os
import shutil
import subprocess

import pytest

from rtickets import cli
from rtickets.report import write_report
from tests.report.conftest import example_cells
from tests.report.conftest import measured as accuracy
from tests.report.write.conftest import study_of


@pytest.fixture
def study_on_disk(small_disk):
    return study_of(small_disk, example_cells())


def test_a_study_in_a_read_only_folder_prints_its_numbers(study_on_disk, small_disk, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert cli.main(["report", str(study_on_disk.path)]) == 0
    out, errors = capsys.readouterr()
    assert "81.0" in out
    assert "Read-only file system" in out.splitlines()[-1]
    assert errors == ""


def test_a_report_that_a_full_disk_did_not_take_is_no_success(study_on_disk, small_disk, capsys):
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(free - 4096))
    assert cli.main(["report", str(study_on_disk.path)]) == 2
    out, errors = capsys.readouterr()
    assert "81.0" in out
    assert errors.startswith("rtickets: the disk is full")
    assert len(errors.splitlines()) == 1


EVIL = "<script>alert(1)</script>"


def change(values, path, value):
    """Set a value deep in nested lists and dictionaries."""
    *parents, last = path
    for part in parents:
        values = values[part]
    values[last] = value


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("config", ("evaluate", "split"), EVIL),
        ("config", ("baseline",), EVIL),
        ("config", ("name",), EVIL),
        ("config", ("seeds",), EVIL),
        ("config", ("objectives",), [EVIL]),
        ("result", ("cells",), {}),
        ("result", ("cells", 0), None),
        ("result", ("cells", 0, "seed"), EVIL),
        ("result", ("cells", 0, "sparsity"), EVIL),
        ("result", ("cells", 0, "transfer"), EVIL),
        ("result", ("cells", 0, "draw"), "$x^$"),
        ("result", ("cells", 0, "clean", "value"), "0.5<b>"),
        ("result", ("cells", 0, "clean", "value"), float("nan")),
        ("result", ("cells", 0, "clean"), {}),
        ("result", ("cells", 0, "attacks"), {"../../escaped": accuracy(1)}),
        ("result", ("cells", 0, "attacks"), {EVIL: accuracy(1)}),
        ("result", ("cells", 0, "ticket"), "/etc"),
        ("result", ("cells", 0, "ticket"), "../elsewhere"),
        ("result", ("cells", 0, "ticket"), ".."),
        ("result", ("cells", 0, "ticket"), "a\nb"),
        ("result", ("sources", 0, "seed"), EVIL),
        ("result", ("sources", 0, "objective"), EVIL),
        ("result", ("failed",), [{"reason": EVIL}]),
    ],
)
def test_what_is_no_result_of_a_study_is_one_line_and_writes_nothing(
    study, tmp_path, capsys, file, path, value
):
    stored = json.loads((study.path / f"{file}.json").read_text())
    change(stored, path, value)
    (study.path / f"{file}.json").write_text(json.dumps(stored))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["report", str(study.path)]) == 2
    out, errors = capsys.readouterr()
    assert (out, len(errors.splitlines())) == ("", 1)
    assert f"{file}.json" in errors
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", ["config.json", "result.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "5", "\0\xff", '{"a":' * 3000 + "1" + "}" * 3000])
def test_a_torn_file_of_a_study_is_one_line(study, capsys, file, text):
    (study.path / file).write_bytes(text.encode("latin-1"))
    assert cli.main(["report", str(study.path)]) == 2
    errors = capsys.readouterr().err
    assert file in errors
    assert len(errors.splitlines()) == 1


def test_a_pipe_in_the_place_of_a_result_is_not_waited_for(study, capsys):
    (study.path / "result.json").unlink()
    os.mkfifo(study.path / "result.json")
    assert cli.main(["report", str(study.path)]) == 2
    assert "is no regular file" in capsys.readouterr().err


def test_findings_and_reasons_of_others_are_text(tmp_path):
    evil = {"about": EVIL, "check": EVIL, "passed": False, "value": 0.0, "message": EVIL}
    listed = [
        {**cell, "honesty": {"passed": False, "findings": [evil]}} for cell in example_cells()
    ]
    study = study_of(tmp_path, listed)
    stored = json.loads((study.path / "result.json").read_text())
    stored["failed"] = [{"seed": 0, "objective": "natural", "reason": EVIL}]
    stored["unknown"] = EVIL
    (study.path / "result.json").write_text(json.dumps(stored))
    page = write_report(study).read_text()
    assert page.count("<script") == 2  # ours
    assert page.count("&lt;script") >= 9
