import json
import subprocess

import pytest

from rtickets import cli
from rtickets.config import EvaluateConfig
from rtickets.errors import InputError
from rtickets.report import evaluation_lines, write_evaluation
from rtickets.runs.folders import folder_of, run_once

EVIL = "<script>x</script>\x1b[2J"
CLEAN = {"value": 0.875, "low": 0.8, "high": 0.925, "examples": 1200, "correct": 1050}
FINDING = {"about": "pgd", "check": "eps", "passed": False, "value": 0.0, "message": EVIL}


def run_of(folder, result, network=None):
    run = folder_of(folder, "evaluate", "test", EvaluateConfig())

    def body(path):
        if network is not None:
            (path / "network.json").write_text(json.dumps(network))
        return result

    return run_once(run, body)


@pytest.fixture
def run(tmp_path):
    result = {
        "clean": CLEAN,
        "attacks": {"pgd": {**CLEAN, "value": 0.5, "low": 0.4, "high": 0.6}},
        "honesty": {"passed": False, "findings": [FINDING]},
        "notes": ["a note"],
    }
    return run_of(tmp_path, result, {"history": ["import: x.pt", EVIL], "sparsity": 0.90000003})


def test_lines_say_what_was_measured_how_it_came_about_and_the_verdict(run):
    lines = evaluation_lines(run)
    assert lines[0] == "import: x.pt"
    assert lines[2:6] == [
        "sparsity 0.9",
        "clean: 87.5 [80.0, 92.5] of 1,200 images",
        "pgd: 50.0 [40.0, 60.0] of 1,200 images",
        "a note",
    ]
    assert lines[6].startswith("trust: NO - eps")
    assert not any("\x1b" in line for line in lines)


def test_the_page_holds_the_same_and_escapes_it(run):
    page = write_evaluation(run)
    text = page.read_text()
    assert page == run.path / "report.html"
    assert "<td>pgd</td><td>50.0 [40.0, 60.0]</td><td>1,200</td>" in text
    assert text.count("<script") == 2  # ours
    assert "import: x.pt" in text
    assert "a note" in text


def test_evaluations_that_do_not_say_how_they_came_about_are_reported(tmp_path):
    run = run_of(tmp_path, {"clean": CLEAN, "attacks": {}})
    assert evaluation_lines(run) == ["clean: 87.5 [80.0, 92.5] of 1,200 images"]


@pytest.mark.parametrize(
    "result", [{}, {"clean": {}, "attacks": {}}, {"clean": CLEAN, "attacks": {}, "honesty": {}}]
)
def test_a_damaged_result_is_one_line(tmp_path, result):
    run = run_of(tmp_path, result)
    with pytest.raises(InputError, match="result is damaged"):
        evaluation_lines(run)


def test_an_evaluation_in_a_read_only_folder_prints_its_numbers(small_disk, capsys):
    run = run_of(small_disk, {"clean": CLEAN, "attacks": {}})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert cli.main(["report", str(run.path)]) == 0
    out, errors = capsys.readouterr()
    assert "87.5" in out
    assert "Read-only file system" in out.splitlines()[-1]
    assert errors == ""


def test_the_command_reports_an_evaluation_by_its_folder(run, tmp_path, capsys):
    assert cli.main(["report", str(run.path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"report: {run.path / 'report.html'}"
    assert cli.main(["report", "latest:evaluate", f"--workdir={tmp_path}"]) == 0
    other = tmp_path / "evaluate-nothing"
    other.mkdir()
    assert cli.main(["report", str(other)]) == 2
    assert "no folder of a run of evaluate" in capsys.readouterr().err
