"""A study's report: page, pictures, cells and table, the same every time, by its command."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from rtickets import cli, draw_omp
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.report import show_report, write_report
from tests.report.conftest import CLEAN


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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


def test_a_report_is_the_same_every_time_it_is_written(study):
    first = write_report(study).read_bytes()
    assert write_report(study).read_bytes() == first


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
