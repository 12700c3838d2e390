import csv
import json
import sys

import pandas
import pytest
from matplotlib.figure import Figure

import rtickets
from rtickets.errors import InputError
from rtickets.report import write_report
from rtickets.report.csv_lines import COLUMNS, lines_of
from rtickets.storage import workdirs


@pytest.fixture
def study(make_study):
    return make_study()


def test_a_study_is_read_with_names_units_and_intervals(study):
    found = rtickets.load_study(study.path)
    assert (found.config.name, len(found.cells), len(found.sources)) == ("small", 8, 4)
    cell = found.cells[1]
    assert (cell.seed, cell.objective, cell.draw, cell.transfer) == (
        0,
        "natural",
        "omp",
        "finetune",
    )
    assert cell.remaining == pytest.approx(0.1)
    assert cell.name == "natural, omp 10%, finetune, seed 0"
    assert cell.ticket == study.path.parent / "draw-omp-natural-s0"
    clean = cell.values["clean"]
    assert (clean.name, clean.value, clean.low, clean.high) == ("accuracy", 0.8, 0.8, 0.81)
    assert (clean.unit, clean.higher_is_better, clean.examples) == ("share", True, 1000)
    assert str(clean) == "accuracy 80.0 [80.0, 81.0] %"
    assert cell.values["pgd20"].name == "accuracy under pgd20"


def test_source_networks_are_dense_and_have_no_transfer(study):
    source = rtickets.load_study(study.path).sources[1]
    assert (source.draw, source.sparsity, source.transfer) == ("dense", 0.0, None)
    assert source.name == "robust, dense, source task, seed 0"


def test_the_data_frame_is_results_csv(study):
    write_report(study)
    frame = rtickets.load_study(str(study.path)).to_pandas()
    assert list(frame.columns) == list(COLUMNS)
    read = list(csv.DictReader((study.path / "results.csv").read_text().splitlines()))
    assert len(frame) == len(read) == 16
    assert [float(line["value"]) for line in read] == list(frame["value"])
    means = frame[frame["metric"] == "clean"].groupby(["objective", "draw"])["value"].mean()
    assert means["robust", "omp"] == pytest.approx(0.87)
    assert isinstance(frame, pandas.DataFrame)


def test_without_pandas_one_line_says_what_to_install(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        rtickets.load_study(study.path).to_pandas()


def test_means_and_gains_are_those_of_the_table(study):
    write_report(study)
    table = json.loads((study.path / "table.json").read_text())
    assert rtickets.load_study(study.path).points == table


def test_figures_are_objects(study):
    figures = rtickets.load_study(study.path).figures()
    assert list(figures) == ["curves_clean", "curves_pgd20"]
    assert all(isinstance(figure, Figure) for figure in figures.values())


def test_a_study_shows_itself_in_a_line_and_a_short_table(study):
    found = rtickets.load_study(study.path)
    assert repr(found).startswith("Study(small: 8 cells, 2 seeds")
    assert "\n" not in repr(found)
    shown = found._repr_html_()
    assert shown.count("<tr>") == 9
    assert "80.0 [80.0, 81.0]" in shown
    assert len(repr(found.cells[0])) < 600


def test_names_of_others_are_text_in_a_notebook(tmp_path, study):
    evil = tmp_path / "<b>x" / "y"
    evil.mkdir(parents=True)
    moved = study.path.rename(evil / study.path.name)
    shown = rtickets.load_study(moved)._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;x" in shown


@pytest.mark.parametrize("where", ["nothing", "."])
def test_what_is_no_study_is_said(tmp_path, where):
    with pytest.raises(InputError, match="study"):
        rtickets.load_study(tmp_path / where)


def test_a_study_is_found_by_its_prefix(study):
    found = rtickets.load_study("latest:study-small", workdir=study.path.parent)
    assert found.path == study.path


def test_a_study_is_found_by_its_prefix_in_a_bucket(study, monkeypatch):
    asked = []
    monkeypatch.setattr(
        workdirs, "open_workdir", lambda text: asked.append(text) or study.path.parent
    )
    found = rtickets.load_study("latest:study-small", workdir="s3://bucket/runs")
    assert found.path == study.path
    assert asked == ["s3://bucket/runs"]


def test_lines_have_the_rate_that_was_chosen_for_a_ticket(study):
    first, *others = study.result()["cells"]
    chosen = {**first, "chosen": {"learning_rate": 0.4, "weight_decay": 5e-4}}
    lines = lines_of([chosen, *others])
    count = len(lines) // (1 + len(others))
    assert [line["learning_rate"] for line in lines[:count]] == [0.4] * count
    assert [line["weight_decay"] for line in lines[:count]] == [5e-4] * count
    assert {line["learning_rate"] for line in lines[count:]} == {None}
