import csv
import io
import json
import math
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from rtickets import cli, draw_omp
from rtickets.config import ObjectiveConfig, StudyConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.report import show_report, write, write_report
from rtickets.runs.folders import folder_of, run_once
from rtickets.settings import config_files
from tests.report.conftest import CLEAN, example_cells
from tests.report.conftest import measured as accuracy

CONFIG = StudyConfig(
    name="small",
    seeds=(0, 1),
    objectives={"natural": ObjectiveConfig(), "robust": ObjectiveConfig(name="pgd")},
    sparsities=(0.9,),
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def with_radii(cell):
    """Add what evaluations measure beyond single accuracies; one in four is not to be trusted."""
    honest = (cell["seed"], cell["objective"]) != (1, "robust")
    finding = {"about": "pgd20", "check": "eps", "passed": honest, "value": 0.0, "message": "rises"}
    curve = [{"eps": eps, **accuracy(round(500 - 1000 * eps))} for eps in (0.0, 0.1, 0.2)]
    certified = [{"radius": radius, **accuracy(300)} for radius in (0.0, 0.25)]
    return {
        **cell,
        "attacks": {"pgd20": {**cell["attacks"]["pgd20"], "curve": curve, "runs": []}},
        "honesty": {"passed": honest, "findings": [finding]},
        "certified": {"curve": certified, "abstained": 3},
    }


def study_of(folder, cells):
    sources = [
        {"seed": seed, "objective": objective, "clean": accuracy(900), "attacks": {}}
        for seed in (0, 1)
        for objective in CLEAN
    ]
    folder = folder_of(folder, "study", "small", CONFIG)
    return run_once(folder, lambda _: {"cells": cells, "sources": sources})


@pytest.fixture
def study(tmp_path):
    return study_of(tmp_path, example_cells())


@pytest.fixture
def study_with_radii(tmp_path):
    return study_of(tmp_path / "radii", [with_radii(cell) for cell in example_cells()])


def test_a_report_is_page_pictures_cells_and_table(study):
    before = set(names(study.path))
    page = write_report(study)
    assert page == study.path / "report.html"
    assert set(names(study.path)) - before == {
        "report.html",
        "curves_clean.png",
        "curves_pgd20.png",
        "results.csv",
        "gains.csv",
        "matching.csv",
        "table.json",
    }


def test_pictures_are_pngs_and_drawn_in_the_page(study):
    page = write_report(study).read_text()
    assert page.count('<figure class="chart"') == 2
    for name in ("curves_clean.png", "curves_pgd20.png"):
        assert (study.path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert "<title>small</title>" in page


def test_the_csv_has_a_line_a_cell_and_metric(study):
    write_report(study)
    text = (study.path / "results.csv").read_bytes().decode()
    lines = list(csv.DictReader(text.splitlines()))
    assert len(lines) == 16
    assert "\r" not in text
    assert lines[2] == {
        "seed": "0",
        "objective": "natural",
        "draw": "omp",
        "sparsity": "0.9",
        "transfer": "finetune",
        "metric": "clean",
        "correct": "800",
        "examples": "1000",
        "value": "0.8",
        "low": "0.8",
        "high": "0.81",
        "unit": "share",
        "higher_is_better": "True",
        "learning_rate": "",
        "weight_decay": "",
    }
    assert [line["metric"] for line in lines] == ["clean", "pgd20"] * 8


def test_curves_over_radii_are_pictures_of_their_own(study_with_radii):
    page = write_report(study_with_radii).read_text()
    for name in ("radii_pgd20.png", "radii_certified.png"):
        picture = study_with_radii.path / name
        assert np.unique(np.asarray(Image.open(picture).convert("L"))).size > 10
    assert page.count('<figure class="chart"') == 4
    assert "Over the radius: certified" in page


def test_the_tickets_of_the_first_seed_are_in_the_page(study):
    for number, objective in enumerate(CLEAN):
        weights = np.random.default_rng(number).standard_normal((3, 3, 1, 4)).astype(np.float32)
        params = {"stem_conv": {"kernel": weights}}
        ticket = Ticket(draw_omp(params, 0.9), params)
        ticket.save(study.path.parent / f"draw-omp-{objective}-s0" / "ticket")
    page = write_report(study).read_text()
    headings = ["Overlap of tickets", "Sparsity per layer"]
    kinds = ("First kernels", "Zero kernels")
    headings += [f"{kind}: {objective} omp" for kind in kinds for objective in CLEAN]
    for heading in headings:
        assert f"<h3>{heading}</h3>" in page
    assert page.count("data:image/png;base64,") == 2 * len(CLEAN)
    section = page.split("<h2>Masks</h2>")[1].split("</section>")[0]
    assert "Similarity of masks" in section
    assert (study.path / "similarity.csv").read_text().startswith("seed,sparsity,a,b,overlap,")
    assert (study.path / "zero_kernels.csv").is_file()


def test_csv_and_table_hold_the_same_with_radii_and_without(study, study_with_radii):
    for run in (study, study_with_radii):
        write_report(run)
    for name in ("results.csv", "table.json", "curves_pgd20.png"):
        assert (study.path / name).read_bytes() == (study_with_radii.path / name).read_bytes()


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


def test_the_table_has_gains_over_the_baseline(study):
    write_report(study)
    table = json.loads((study.path / "table.json").read_text())
    assert len(table) == 8
    gains = {
        (row["metric"], row["draw"]): row["gain"] for row in table if row["objective"] == "robust"
    }
    assert gains == pytest.approx(
        {
            ("clean", "dense"): 0.06,
            ("clean", "omp"): 0.06,
            ("pgd20", "dense"): 0.0,
            ("pgd20", "omp"): 0.0,
        }
    )


def test_the_gains_are_a_csv_with_what_they_are_over(study):
    write_report(study)
    lines = list(csv.DictReader((study.path / "gains.csv").read_text().splitlines()))
    assert [(line["metric"], line["draw"]) for line in lines] == [
        ("clean", "dense"), ("pgd20", "dense"), ("clean", "omp"), ("pgd20", "omp"),
    ]  # fmt: skip
    clean = lines[0]
    assert float(clean["gain"]) == pytest.approx(0.06)
    # Two seeds, gains of 0.05 and 0.07: Student's quantile tan(0.475 pi) times 0.01.
    # Their own intervals are 0.01 wide above; branches as if on other examples.
    half = math.hypot(math.tan(math.pi * 0.475) * 0.01, 0.01, 0.01)
    assert float(clean["gain_high"]) == pytest.approx(0.06 + half)
    assert (clean["gain_over"], clean["gain_seeds"], clean["unit"]) == (
        "seeds and examples",
        "2",
        "share",
    )
    assert float(lines[1]["gain_low"]) == pytest.approx(-math.hypot(0.01, 0.01))  # nothing by seed


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


def test_a_report_is_the_same_every_time_it_is_written(study):
    first = write_report(study).read_bytes()
    assert write_report(study).read_bytes() == first


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


def test_an_incomplete_study_is_refused(study):
    (study.path / "COMPLETE").unlink()
    for report in (write_report, show_report):
        with pytest.raises(InputError, match=f"{study.path} .*not complete"):
            report(study)
    assert not (study.path / "report.html").exists()


def test_a_report_is_written_again_by_the_name_of_its_folder(study, capsys, tmp_path):
    for words in ([str(study.path)], ["latest:study-small", f"--workdir={study.path.parent}"]):
        assert cli.main(["report", *words]) == 0
        assert f"report: {study.path / 'report.html'}" in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "no folder of a study" in capsys.readouterr().err


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


# --- folders that cannot be written to ------------------------------------------------------------


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


# --- folders that somebody else made --------------------------------------------------------------

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


# --- measures of any task -------------------------------------------------------------------------


def measured(value, unit="kg", better=False, **detail):
    numbers = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {**numbers, "unit": unit, "higher_is_better": better, **detail}


def in_kilos(cell):
    """Return a cell of a regression, which is better the lower, with three further measures."""
    value = {"natural": 2.5, "robust": 1.25}[cell["objective"]] + cell["seed"] / 8
    headline = {"name": "distance", "unit": "kg", "higher_is_better": False}
    clean = {"examples": 1000, "value": value, "low": value, "high": value}
    further = {
        "distance": measured(value),
        "cal.ece": measured(0.25, "share", better=False),
        "cal.temperature": measured(1.5, "", better=None),
        "each.class_0": measured(0.5, "share", better=True, detail=True),
    }
    honesty = {"passed": None, "findings": [], "reason": "there are no classes"}
    under = {**clean, "curve": [{"eps": eps, **clean} for eps in (0.0, 0.1)]}
    return {
        **cell, "headline": headline, "clean": clean, "measures": further,
        "attacks": {"pgd": {**under, "measures": {"largest": measured(9.0)}}}, "honesty": honesty,
    }  # fmt: skip


@pytest.fixture
def regression(tmp_path):
    return study_of(tmp_path, [in_kilos(cell) for cell in example_cells()])


def test_a_study_of_another_task_is_reported_in_its_unit_and_direction(regression, capsys):
    page = write_report(regression).read_text()
    assert "Distance in kg on test images" in page
    for heading in ("Clean distance", "Distance under pgd", "Further measures"):
        assert f"<h2>{heading}</h2>" in page
    assert "<span>-1.25</span>" in page  # two equal gains tell nothing of other seeds
    assert "<td>2.562 ± 0.08839</td>" in page
    assert "<h3>cal.ece (%), lower is better</h3>" in page
    assert "<h3>cal.temperature</h3>" in page
    assert "<td>25.0 ± 0.0</td>" in page
    assert "class_0" not in page
    show_report(regression)
    printed = capsys.readouterr().out
    assert "finetune: test distance (kg)" in printed
    assert "1.312 ± 0.08839 (-1.25)" in printed
    assert "there are no classes" in printed


def test_the_csv_has_all_measures_with_their_units(regression):
    write_report(regression)
    lines = list(csv.DictReader((regression.path / "results.csv").read_text().splitlines()))
    own = {line["metric"]: line for line in lines if line["seed"] == "0"}
    assert list(own) == [
        "clean", "pgd", "cal.ece", "cal.temperature", "each.class_0", "largest under pgd",
    ]  # fmt: skip
    clean, ece = own["clean"], own["cal.ece"]
    assert (clean["correct"], clean["unit"], clean["higher_is_better"]) == ("", "kg", "False")
    assert (ece["value"], ece["unit"], ece["examples"]) == ("0.25", "share", "")
    assert own["cal.temperature"]["higher_is_better"] == ""
    table = json.loads((regression.path / "table.json").read_text())
    assert {row["metric"] for row in table} == set(own)


def test_shares_that_are_none_are_no_result(regression, capsys):
    stored = json.loads((regression.path / "result.json").read_text())
    stored["cells"][0]["measures"]["cal.ece"]["value"] = 1.5
    (regression.path / "result.json").write_text(json.dumps(stored))
    assert cli.main(["report", str(regression.path)]) == 2
    assert "1.5" in capsys.readouterr().err
