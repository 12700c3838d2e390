"""A study of another measure than accuracy, in its unit and direction."""

import csv
import json

import pytest

from rtickets import cli
from rtickets.report import show_report, write_report
from tests.report.conftest import example_cells
from tests.report.write.conftest import study_of


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
