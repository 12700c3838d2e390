"""What the terminal shows of a study: values, gains, trust, whatever its width and letters."""

import io
import json

import pytest

from rtickets.config import ObjectiveConfig
from rtickets.report import show_report, write, write_report
from rtickets.runs.folders import folder_of, run_once
from rtickets.settings import config_files
from tests.report.conftest import example_cells
from tests.report.write.conftest import CONFIG, study_of


def test_page_and_terminal_say_how_many_accuracies_can_be_trusted(study_with_radii, study, capsys):
    page = write_report(study_with_radii).read_text()
    assert "6 of 8 evaluations passed every check." in page
    assert page.count("pgd20: eps: rises") == 2
    show_report(study_with_radii)
    trusted, *doubtful, certified = capsys.readouterr().out.splitlines()[-4:]
    assert all("eps (pgd20)" in line for line in doubtful)
    assert trusted == "robust accuracies that can be trusted: 6 of 8"
    assert certified.startswith("certified accuracies: not checked")
    show_report(study)
    assert "trusted" not in capsys.readouterr().out


def test_the_terminal_says_how_strong_attacks_are_and_what_was_not_checked(tmp_path, capsys):
    strength = {"about": "pgd20", "check": "weak attack", "passed": True, "value": 0.1}
    strength |= {"message": "6 < 7 evaluations"}
    honesty = {"passed": None, "findings": [strength]}
    study = study_of(tmp_path, [{**cell, "honesty": honesty} for cell in example_cells()])
    show_report(study)
    printed = capsys.readouterr().out
    assert "pgd20: 6 < 7 evaluations." in printed
    assert "not checked: 8" in printed
    assert "trusted" not in printed
    page = write_report(study).read_text()
    assert "not checked: 8" in page
    assert "passed every check" not in page


def test_gains_of_the_result_are_shown_as_they_are(study, capsys):
    stored = json.loads((study.path / "result.json").read_text())
    stored["gains"] = [
        {
            "metric": "clean", "transfer": "finetune", "draw": "omp", "sparsity": 0.9,
            "objective": "robust", "gain": 0.06, "gain_std": 0.014, "gain_seeds": 2,
            "gain_low": 0.011, "gain_high": 0.109, "gain_over": "seeds and examples",
            "gain_error_seeds": 0.01, "gain_error_examples": 0.01, "gain_p": 0.01,
            "gain_p_holm": 0.01,
        }
    ]  # fmt: skip
    (study.path / "result.json").write_text(json.dumps(stored))
    page = write_report(study).read_text()
    assert '<span class="gain"><b>+6.0 [+1.1, +10.9]</b></span>' in page
    show_report(study)
    printed = capsys.readouterr().out
    assert "(+6.0 [+1.1, +10.9])" in printed
    assert "1 gains with 95% intervals over seeds and examples; 1 exclude 0, 1 also" in printed


def test_the_terminal_shows_clean_accuracy_and_gains(study, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    show_report(study)
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert "finetune: test accuracy (%)" in printed
    lines = [line.split("│") for line in printed.splitlines()]
    shown = [[part.strip() for part in line if part.strip()] for line in lines if len(line) > 3]
    assert shown == [
        ["dense", "100%", "91.0 ± 1.4", "97.0 ± 2.8 (+6.0 [-6.8, +18.8])"],
        ["omp", "10%", "81.0 ± 1.4", "87.0 ± 2.8 (+6.0 [-6.8, +18.8])"],
    ]
    (under,) = (line for line in printed.splitlines() if "pgd20" in line)
    assert "2 gains with 95% intervals" in under  # how many are clear; values are in the report
    assert "finetune moves every surviving weight, and normalisation statistics" in printed


def test_a_terminal_of_ascii_alone_gets_the_table_in_ascii(study, monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", screen)
    result = study.result()
    failed = [{"seed": 0, "objective": "natural", "reason": "x.npz: [/red] \x1b[2J [0, 3]"}]
    monkeypatch.setattr(type(study), "result", lambda _: {**result, "failed": failed})
    monkeypatch.setattr("rtickets.report.write.cells_of", lambda one: ["cell", ""])
    show_report(study)
    screen.flush()
    shown = screen.buffer.getvalue().decode("ascii")
    assert " +- " in shown
    assert r"FAILED: cell: x.npz: [/red] \x1b[2J [0, 3]" in shown


def test_a_piped_table_is_whole_however_wide_it_is(tmp_path, capsys):
    labels = [f"objective-of-a-long-name-{number:02d}" for number in range(30)]
    config = config_files.replace(
        CONFIG, seeds=(0,), objectives=dict.fromkeys(["natural", *labels], ObjectiveConfig())
    )
    row = example_cells()[0]
    listed = [{**row, "objective": label, "seed": 0} for label in config.objectives]
    folder = folder_of(tmp_path, "study", "wide", config)
    show_report(run_once(folder, lambda _: {"cells": listed, "sources": []}))
    shown = capsys.readouterr().out
    assert all(f" {label} " in shown for label in labels)
    assert shown.count("90.0 (") == 30
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_the_terminal_says_which_values_are_over_fewer_seeds(tmp_path, capsys):
    failed = ("robust", "omp", 1)
    cells = [c for c in example_cells() if (c["objective"], c["draw"], c["seed"]) != failed]
    show_report(study_of(tmp_path, cells))
    shown = capsys.readouterr().out
    assert "85.0 (1 of 2 seeds) (+5.0" in shown
    assert shown.count("of 2 seeds") == 2


def test_a_narrow_terminal_wraps_a_table_and_cuts_nothing(study, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    show_report(study)
    shown = capsys.readouterr().out
    assert "gain over natural" in shown
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


@pytest.mark.parametrize("columns", ["30", "80"])
def test_the_title_of_a_table_that_is_narrower_is_one_line(tmp_path, monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    config = config_files.replace(CONFIG, objectives={"natural": ObjectiveConfig()})
    listed = [{**example_cells()[0], "objective": "natural", "seed": 0}]
    folder = folder_of(tmp_path, "study", "narrow", config)
    show_report(run_once(folder, lambda _: {"cells": listed, "sources": []}))
    lines = capsys.readouterr().out.splitlines()
    assert "finetune: test accuracy (%), (gain over natural)" in lines


def test_a_line_about_what_failed_says_what_its_numbers_are():
    cell = {"transfer": "digits", "objective": "pgd", "draw": "omp", "sparsity": 0.5}
    cells = [{"seed": 3, "objective": "pgd"}, {"seed": 1, **cell}]
    lines = write.failed_lines({"failed": [{**one, "reason": "nan"} for one in cells]})
    assert lines[0] == "FAILED: source network, pgd, seed 3: nan"
    assert lines[1] == "FAILED: digits, pgd, omp, sparsity 0.5, seed 1: nan"


def test_a_line_about_an_evaluation_that_is_not_trusted_says_which_and_what_was_found():
    found = [
        {"about": "pgd", "check": "found more", "passed": False, "message": "2 of 16"},
        {"about": "pgd", "check": "found more", "passed": False, "message": "at another radius"},
        {"about": "model, l2", "check": "steps", "passed": True, "message": "fine"},
    ]
    network = {"seed": 1, "objective": "natural", "honesty": {"findings": found}}
    cell = {**network, "transfer": "digits", "draw": "omp", "sparsity": 0.5}
    lines = write.doubtful_lines([(network, "long"), (cell, "long")])
    assert "source network, natural, seed 1: found more (pgd)" in lines[0]
    assert "digits, natural, omp, sparsity 0.5, seed 1: found more (pgd)" in lines[1]
    many = write.doubtful_lines([(cell, "long")] * 30)
    assert len(many) == 11
    assert "20 more" in many[-1]
