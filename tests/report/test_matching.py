"""Matching tickets in the page, on the terminal and as CSV."""

import csv
import io

from rtickets.report import show_report, write_report
from rtickets.report.matching import matching_csv


def matching():
    ticket = {"objective": "robust", "draw": "omp", "winning": True}
    both = [("strict", None), ("within_std", 0.8926)]
    return {
        "tickets": [],
        "highest": [
            {**ticket, "metric": "clean", "transfer": "finetune", "against": "dense",
             "criterion": criterion, "sparsity": sparsity}
            for criterion, sparsity in both
        ],
        "universal": [
            {**ticket, "metric": "clean", "transfers": ["finetune", "linear"], "against": "dense",
             "criterion": "strict", "sparsity": 0.36}
        ],
        "double_wins": [
            {**ticket, "natural": "finetune", "robust": "adv", "attack": "pgd20",
             "selected": "best", "criterion": criterion, "sparsity": sparsity,
             "sa_sparsity": 0.914, "robust_sa_sparsity": 0.9, "ra_sparsity": None}
            for criterion, sparsity in both
        ],
    }  # fmt: skip


def test_page_and_terminal_show_the_highest_sparsities(make_study, capsys):
    study = make_study(matching=matching())
    section = write_report(study).read_text().split("<h2>Matching tickets</h2>")[1]
    section = section.split("</section>")[0]
    assert "<td>robust, omp*</td><td>dense</td><td>- / 89.26</td>" in section
    assert "<td>finetune, linear</td><td>dense</td><td>36 / ?</td>" in section
    assert "<td>91.4 / 91.4</td><td>90 / 90</td><td>- / -</td><td>- / 89.26</td>" in section
    show_report(study)
    lines = [line for line in capsys.readouterr().out.splitlines() if "highest sparsity" in line]
    assert len(lines) == 2
    assert "none strictly, 89.26% within one deviation" in lines[0]
    assert lines[0].startswith("double-win tickets, robust, omp*, finetune and adv under pgd20")
    assert "finetune, linear: highest sparsity 36% strictly" in lines[1]


def test_csv_has_a_line_a_verdict():
    rows = list(csv.DictReader(io.StringIO(matching_csv({"matching": matching()}))))
    assert [row["kind"] for row in rows] == ["highest"] * 2 + ["universal"] + ["double_wins"] * 2
    assert [row["sparsity"] for row in rows] == ["", "0.8926", "0.36", "", "0.8926"]
    assert rows[-1]["transfers"] == "finetune adv"
    assert (rows[-1]["metric"], rows[-1]["selected"]) == ("pgd20", "best")


def test_a_study_that_compares_with_no_dense_network_has_no_section(make_study):
    assert "Matching" not in write_report(make_study()).read_text().split("<script")[0]
