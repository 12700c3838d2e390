"""Studies of made-up numbers, and their reports."""

import pytest

from rtickets.config import ObjectiveConfig, StudyConfig
from rtickets.runs.folders import folder_of, run_once
from tests.report.conftest import CLEAN, example_cells
from tests.report.conftest import measured as accuracy

CONFIG = StudyConfig(
    name="small",
    seeds=(0, 1),
    objectives={"natural": ObjectiveConfig(), "robust": ObjectiveConfig(name="pgd")},
    sparsities=(0.9,),
)


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
