import io

import numpy as np
from PIL import Image

from rtickets.report import write_report
from rtickets.report.reliability import (
    draw_reliability,
    panels_of_study,
    reliability_parts,
    reliability_tables,
)
from rtickets.report.style import png
from tests.report.conftest import example_cells

EVIL = "<script>alert(1)</script>"

BINS = [
    {"low": 0.4, "high": 0.6, "examples": 5, "confidence": 0.5, "accuracy": 0.4},
    {"low": 0.9, "high": 1.0, "examples": 50, "confidence": 0.95, "accuracy": 0.8},
]
TABLES = {"tables": {"cal.reliability": BINS, "other.table": [{"x": 1.0}], "empty": []}}


def test_tables_of_bins_are_told_from_others():
    assert list(reliability_tables(TABLES)) == ["cal.reliability"]
    assert reliability_tables({}) == {}


def test_a_table_with_a_line_that_lacks_something_is_none_of_bins():
    assert reliability_tables({"tables": {"cal": [*BINS, {"examples": 1.0}]}}) == {}


def test_an_evaluation_has_a_chart_and_a_table_each():
    charts = []
    parts = "".join(reliability_parts({"tables": {EVIL: BINS}}, charts))
    assert EVIL not in parts
    assert "<td>50.0</td><td>40.0</td><td>5</td>" in parts
    (chart,) = charts
    guide, curve = chart["series"]
    assert guide["guide"]
    assert [(p["x"], p["y"]) for p in guide["points"]] == [(0, 0), (100, 100)]
    assert [(p["x"], p["y"]) for p in curve["points"]] == [(50, 40), (95, 80)]
    assert curve["points"][1]["text"] == ["95.0% sure, 80.0% right", "50 examples"]


def test_curves_are_drawn_for_papers():
    picture = png(draw_reliability({"dense": {"natural": BINS, "robust": BINS[:1]}}))
    assert np.unique(np.asarray(Image.open(io.BytesIO(picture)).convert("L"))).size > 10


def test_a_study_has_panels_of_its_first_seed():
    cells = [
        {"seed": seed, "objective": objective, "draw": draw, "sparsity": 0.9 * (draw != "dense"),
         "transfer": transfer, **TABLES}
        for seed in (3, 4) for objective in ("natural", "robust")
        for draw in ("dense", "omp") for transfer in ("a", "b")
    ]  # fmt: skip
    found = panels_of_study(cells)
    assert list(found) == [("a", "cal.reliability"), ("b", "cal.reliability")]
    panels = found["a", "cal.reliability"]
    assert list(panels) == ["dense", "omp 10%"]
    assert panels["dense"] == {"natural": BINS, "robust": BINS}
    assert panels_of_study([]) == {}


def test_the_page_of_a_study_has_a_chart_a_ticket_and_files_have_plain_names(make_study):
    tables = {"tables": {"../x.reliability": BINS}}
    study = make_study([{**cell, **tables} for cell in example_cells()])
    page = write_report(study).read_text()
    section = page.split("<h2>Reliability</h2>")[1].split("</section>")[0]
    assert section.count('<figure class="chart"') == 2
    assert "<h4>omp 10%</h4>" in section
    assert (study.path / "reliability_finetune_.._x.reliability.png").is_file()
