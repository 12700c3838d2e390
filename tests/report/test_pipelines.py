"""Tables, page and picture of pipelines, of cells that are written here."""

import re

import numpy as np
import pytest
from scipy import stats

from rtickets.config import PipelineConfig, PipelineStudyConfig
from rtickets.report.pipeline_tables import tables_of
from rtickets.report.pipelines import write_page, write_tables
from rtickets.report.trade_off import draw_trade_off, trade_off_points

CONFIG = PipelineStudyConfig(
    seeds=(0, 1, 2), sparsities=(0.5, 0.9),
    pipelines={
        "two": PipelineConfig(),
        "after": PipelineConfig(search="searched", criterion="snip"),
        "dense": PipelineConfig(search="dense"),
    },
    compared={"two": ("after", "dense")},
)  # fmt: skip
VALUES = {"two": (0.5, 0.6, 0.7), "after": (0.4, 0.5, 0.45), "dense": (0.6, 0.6, 0.9)}


def cell(label, sparsity, seed):
    kept = round(100 * (1 - sparsity))
    adds = {"dense": 200, "searched": 160, "sparse": 2 * kept, "sparse_even": 160 * kept // 100}
    layers = {
        "conv": {"parameters": [100, 80, kept], "multiply_adds": [200, 160, 2 * kept], "even": 1.5},
        "the rest": {"parameters": [10, 8, 8], "multiply_adds": [0, 0, 0], "even": 0.0},
    }
    return {
        "pipeline": label, "sparsity": sparsity, "task": "task", "target": "task", "seed": seed,
        "measure": "accuracy", "unit": "share", "value": VALUES[label][seed], "chance": 0.25,
        "parameters": {"dense": 110, "searched": 88, "sparse": kept + 8}, "multiply_adds": adds,
        "channels": [6, 8], "layers": layers,
    }  # fmt: skip


def every_cell():
    for label in ("two", "after"):
        for sparsity in (0.5, 0.9):
            yield from (cell(label, sparsity, seed) for seed in range(3))
    yield from (cell("dense", 0.0, seed) for seed in range(3))


@pytest.fixture(scope="module")
def tables():
    return {table.name: table for table in tables_of(CONFIG, list(every_cell()))}


def test_gains_are_those_of_pairs_of_one_seed_with_the_interval_of_student(tables):
    rows = {(row[0], row[1]): row[3:] for row in tables["differences"].rows}
    gains = 100 * (np.array(VALUES["two"]) - np.array(VALUES["after"]))
    half = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / 3**0.5
    ends = f"[{gains.mean() - half:+.1f}, {gains.mean() + half:+.1f}]"
    assert rows["two, 90%", "after"] == [f"{gains.mean():+.1f}", ends, "3 of 3"]
    assert rows["two, 50%", "dense"][::2] == ["-10.0", "0 of 3"]


def test_the_overview_has_means_over_seeds_and_parts_of_the_dense_network(tables):
    rows = {row[0]: row[1:] for row in tables["overview"].rows}
    assert rows["two, 90%"] == ["60.0 ± 10.0", "20", "10.0%", "16", "18", "6 of 8", "3"]
    assert rows["dense"][1] == "200"
    assert "25.0%" in tables["overview"].note


def test_layers_are_listed_and_added_up(tables):
    rows = {row[0]: row[1:] for row in tables["layers"].rows}
    assert rows["conv"] == ["100", "80", "10", "200", "160", "20", "2"]
    assert rows["all"] == ["110", "88", "18", "200", "160", "20", "2"]
    assert "90%" in tables["layers"].title


def test_nothing_is_missing_and_what_is_not_there_or_failed_is_said(tables):
    assert "missing" not in tables
    cells = list(every_cell())
    failed = {key: cells[1][key] for key in ("pipeline", "sparsity", "task", "target", "seed")}
    some = [cells[0], {**failed, "failed": "it diverged"}, *cells[2:-1]]
    found = {table.name: table for table in tables_of(CONFIG, some)}
    assert found["missing"].rows == [
        ["two0.5-task-s1", "it diverged"], ["dense0-task-s2", "not run"],
    ]  # fmt: skip
    rows = {(row[0], row[1]): row[3:] for row in found["differences"].rows}
    assert rows["two, 50%", "after"][2] == "2 of 2"


def test_points_go_from_few_multiply_adds_to_many(tables):
    found = trade_off_points(list(every_cell()))
    assert [point["x"] for point in found["two"]] == [20, 100]
    assert found["dense"][0]["y"] == pytest.approx(70)
    assert found["two"][0]["high"] - found["two"][0]["y"] == pytest.approx(10)


def test_the_page_has_all_pipelines_on_one_picture_and_nothing_beside_it(tmp_path):
    cells = list(every_cell())
    text = write_tables(CONFIG, cells, tmp_path)
    page = write_page(CONFIG, cells, tmp_path).read_text()
    for word in ("Trade-off", "Pair by pair", "Layer by layer", "Parameters and multiply-adds"):
        assert word in page
        assert word in text or word == "Trade-off"
    assert page.count('data-chart="') == 1
    for name in CONFIG.pipelines:
        assert f'"name":"{name}"' in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert (tmp_path / "trade_off.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_of_no_cells_says_what_is_missing(tmp_path):
    assert "not run" in write_page(CONFIG, [], tmp_path).read_text()


def test_ticks_of_multiply_adds_are_words_that_pictures_show():
    figure = draw_trade_off(list(every_cell()))
    figure.draw_without_rendering()
    (panel,) = figure.axes
    shown = [label.get_text() for label in panel.get_xticklabels() if label.get_text()]
    assert "50" in shown
    assert not [text for text in shown if "$" in text]
    assert not [label.get_text() for label in panel.get_xticklabels(minor=True) if label.get_text()]
