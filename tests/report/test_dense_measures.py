"""Measures of pixels and boxes, class by class too, in the table and on the page of a study."""

import csv

import pytest

from rtickets.report import write_report

UNITS = {"unit": "share", "higher_is_better": True}
HEADLINES = {"miou": "mean IoU", "ap": "AP"}


def measured(value, **more):
    return {"value": value, "low": value - 0.02, "high": value + 0.03, "examples": 40, **more}


def cells(name):
    """Return cells of a study whose headline has a name, with numbers that differ everywhere."""
    for seed in (0, 1):
        for place, objective in enumerate(("natural", "robust")):
            for draw, sparsity in (("dense", 0.0), ("omp", 0.9)):
                value = 0.5 + 0.1 * place + 0.01 * seed - 0.2 * sparsity
                yield {
                    "seed": seed, "objective": objective, "draw": draw, "sparsity": sparsity,
                    "transfer": "scenes", "ticket": f"draw-{draw}-{objective}-s{seed}",
                    "headline": {"name": name, "words": HEADLINES[name], **UNITS},
                    "clean": measured(value), "attacks": {},
                    "measures": {
                        name: {**measured(value), **UNITS},
                        "classes.worst": {**measured(value - 0.25), **UNITS},
                        "classes.class_1 dog": {**measured(value - 0.125), **UNITS, "detail": True},
                    },
                }  # fmt: skip


@pytest.mark.parametrize("name", HEADLINES)
def test_classes_are_in_the_table_by_their_names_and_the_mean_is_on_the_page(make_study, name):
    study = make_study(list(cells(name)))
    page = write_report(study)
    with (study.path / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    of = {
        each["metric"]: each
        for each in lines
        if (each["seed"], each["objective"], each["draw"]) == ("1", "robust", "omp")
    }
    value = 0.5 + 0.1 + 0.01 - 0.18
    expected = {"clean": 0, "classes.worst": 0.25, "classes.class_1 dog": 0.125}
    for metric, less in expected.items():
        assert float(of[metric]["value"]) == pytest.approx(value - less)
        assert float(of[metric]["low"]) == pytest.approx(value - less - 0.02)
        assert of[metric]["unit"] == "share"
    text = page.read_text()
    assert HEADLINES[name] in text
    assert "classes.worst (%)" in text
    assert "42.5" in text  # the mean of robust tickets, 0.42 and 0.43
    assert "classes.class_1 dog" not in text.replace(str(study.path), "")
