import json
import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.report.over_seeds import by_seed, further_of, metrics_of, rows, spread


def cell(seed, objective, value, draw="omp", sparsity=0.9, transfer="finetune", **attacks):
    return {
        "seed": seed,
        "objective": objective,
        "draw": draw,
        "sparsity": sparsity,
        "transfer": transfer,
        "clean": {"value": value},
        "attacks": {name: {"value": accuracy} for name, accuracy in attacks.items()},
    }


def find(table, **wanted):
    found = [row for row in table if wanted.items() <= row.items()]
    assert len(found) == 1
    return found[0]


def test_the_spread_of_values_by_hand():
    assert spread([0.5, 0.7, 0.9]) == pytest.approx((0.7, 0.2, 3))


def test_one_seed_has_no_deviation():
    mean, std, count = spread([0.25])
    assert (mean, count) == (0.25, 1)
    assert math.isnan(std)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_the_spread_is_that_of_the_statistics_module(values):
    expected = (statistics.fmean(values), statistics.stdev(values), len(values))
    assert spread(iter(values)) == pytest.approx(expected, abs=1e-9)


def test_metrics_are_clean_accuracy_and_one_per_attack():
    metrics = metrics_of(cell(0, "natural", 0.9, pgd=0.4, l2=0.3))
    values = {name: (each["value"], each["title"]) for name, each in metrics.items()}
    assert values == {
        "clean": (0.9, "accuracy"),
        "pgd": (0.4, "accuracy under pgd"),
        "l2": (0.3, "accuracy under l2"),
    }
    assert list(metrics) == ["clean", "pgd", "l2"]
    assert {(each["unit"], each["higher_is_better"]) for each in metrics.values()} == {
        ("share", True)
    }


def in_kilos(cell):
    """Return a cell of a task without classes, with another measure clean and under attack."""
    kilos = {"unit": "kg", "higher_is_better": False}
    measures = {"distance": {"value": 1.0, **kilos}, "largest": {"value": 9.0, **kilos}}
    attacks = {name: {**each, "measures": measures} for name, each in cell["attacks"].items()}
    headline = {"name": "distance", "words": "mean distance", **kilos}
    return {**cell, "headline": headline, "measures": measures, "attacks": attacks}


def test_values_have_the_name_unit_and_direction_of_their_headline():
    table = rows([in_kilos(cell(0, "natural", 0.5, pgd=0.7))], "natural")
    titles = {row["metric"]: row["title"] for row in table}
    assert titles == {"clean": "mean distance", "pgd": "mean distance under pgd"}
    assert {(row["unit"], row["higher_is_better"]) for row in table} == {("kg", False)}


def test_further_measures_are_all_but_the_headline():
    found = further_of(in_kilos(cell(0, "natural", 0.5, pgd=0.7)))
    assert list(found) == ["largest", "largest under pgd"]
    assert found["largest"]["unit"] == "kg"
    (first, _) = rows([in_kilos(cell(0, "natural", 0.5, pgd=0.7))], "natural", further_of)
    assert (first["metric"], first["mean"], first["detail"]) == ("largest", 9.0, False)
    assert further_of(cell(0, "natural", 0.5)) == {}


def test_a_balanced_accuracy_of_an_older_result_is_called_so():
    (row,) = rows([{**cell(0, "natural", 0.5), "metric": "balanced"}], "natural")
    assert row["title"] == "balanced accuracy"


def test_points_collect_their_seeds_in_the_order_of_the_cells():
    points = by_seed([cell(3, "robust", 0.8, pgd=0.5), cell(1, "robust", 0.7, pgd=0.4)])
    assert list(points.values()) == [{3: 0.8, 1: 0.7}, {3: 0.5, 1: 0.4}]
    assert [point.metric for point in points] == ["clean", "pgd"]


@pytest.mark.parametrize(
    "change", [{"draw": "imp"}, {"sparsity": 0.5}, {"transfer": "linear"}, {"objective": "trades"}]
)
def test_points_differ_in_everything_but_the_seed(change):
    arguments = {"objective": "robust"} | change
    points = by_seed([cell(0, "robust", 0.8), cell(0, value=0.7, **arguments)])
    assert list(points.values()) == [{0: 0.8}, {0: 0.7}]


def test_mean_deviation_and_gain_by_hand():
    table = rows(
        [
            cell(0, "natural", 0.60),
            cell(1, "natural", 0.70),
            cell(0, "robust", 0.65),
            cell(1, "robust", 0.85),
        ],
        "natural",
    )
    natural, robust = find(table, objective="natural"), find(table, objective="robust")
    assert natural["mean"] == pytest.approx(0.65)
    assert natural["std"] == pytest.approx(math.sqrt(0.005))
    assert (natural["gain"], natural["gain_std"], natural["seeds"]) == (None, None, 2)
    assert robust["mean"] == pytest.approx(0.75)
    assert robust["gain"] == pytest.approx(0.10)
    assert robust["gain_std"] == pytest.approx(math.sqrt(0.005))
    assert robust["remaining"] == pytest.approx(0.1)


def test_a_gain_is_paired_by_seed():
    values = {0: 0.1, 1: 0.5, 2: 0.9}
    cells = [cell(seed, "natural", value) for seed, value in values.items()]
    cells += [cell(seed, "robust", value + 0.02) for seed, value in reversed(values.items())]
    robust = find(rows(cells, "natural"), objective="robust")
    assert robust["gain"] == pytest.approx(0.02)
    assert robust["gain_std"] == pytest.approx(0, abs=1e-12)
    assert robust["std"] == pytest.approx(0.4)


def test_a_gain_counts_the_seeds_that_both_have():
    cells = [cell(0, "natural", 0.5), cell(0, "robust", 0.6), cell(1, "robust", 0.9)]
    robust = find(rows(cells, "natural"), objective="robust")
    assert (robust["mean"], robust["seeds"]) == (pytest.approx(0.75), 2)
    assert robust["seeds_asked"] == 2
    assert (robust["gain"], robust["gain_std"]) == (pytest.approx(0.1), None)


def test_without_a_baseline_there_is_no_gain():
    cells = [cell(0, "natural", 0.5, sparsity=0.5), cell(0, "robust", 0.6), cell(1, "robust", 0.6)]
    robust = find(rows(cells, "natural"), objective="robust")
    assert (robust["gain"], robust["gain_std"]) == (None, None)
    assert find(rows(cells, "absent"), objective="robust")["gain"] is None


def test_gains_are_within_one_metric_transfer_draw_and_sparsity():
    cells = [
        cell(0, objective, 0.5 + bonus + sparsity / 10, sparsity=sparsity, transfer=t, pgd=bonus)
        for objective, bonus in (("natural", 0.0), ("robust", 0.1))
        for sparsity in (0.5, 0.9)
        for t in ("linear", "finetune")
    ]
    gains = [row["gain"] for row in rows(cells, "natural") if row["objective"] == "robust"]
    assert gains == pytest.approx([0.1] * 8)


def test_a_table_survives_json():
    table = rows([cell(0, "natural", 0.5), cell(0, "robust", 0.6)], "natural")
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert find(table, objective="robust")["std"] is None
