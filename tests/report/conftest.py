"""A small study that nobody ran, in a folder of its own."""

from functools import partial

import pytest

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.config import ObjectiveConfig, StudyConfig
from rtickets.runs.folders import folder_of, run_once
from rtickets.settings import config_files

CLEAN = {"natural": (800, 820), "robust": (850, 890)}


def measured(correct, examples=1000):
    value = correct / examples
    low, high = value, value + 0.01
    return {"correct": correct, "examples": examples, "value": value, "low": low, "high": high}


def example_cells():
    return [
        {
            "seed": seed,
            "objective": objective,
            "draw": draw,
            "sparsity": sparsity,
            "transfer": "finetune",
            "ticket": f"draw-{draw}-{objective}-s{seed}",
            "clean": measured(CLEAN[objective][seed] + (100 if draw == "dense" else 0)),
            "attacks": {"pgd20": measured(400 + seed)},
        }
        for seed in (0, 1)
        for objective in CLEAN
        for draw, sparsity in (("dense", 0.0), ("omp", 0.9))
    ]


def example_config():
    config = StudyConfig(
        name="small",
        seeds=(0, 1),
        objectives={"natural": ObjectiveConfig(), "robust": ObjectiveConfig(name="pgd")},
        sparsities=(0.9,),
    )
    attack = PgdSettings(norm="linf", eps=8 / 255, num_steps=20)
    return config_files.replace(config, evaluate__attacks={"pgd20": attack})


def study_in(folder, cells=None, config=None, name="small", **more):
    """Make the folder of a complete study of given cells, configuration and further results."""
    config = config or example_config()
    sources = [
        {"seed": seed, "objective": objective, "clean": measured(900), "attacks": {}}
        for seed in config.seeds
        for objective in config.objectives
    ]
    result = {"cells": example_cells() if cells is None else cells, "sources": sources, **more}
    return run_once(folder_of(folder / "runs", "study", name, config), lambda _: result)


@pytest.fixture(scope="session")
def study_maker():
    """Return `study_in`, and the cells that it takes by default, for fixtures of modules."""
    return study_in, example_cells


@pytest.fixture
def make_study(tmp_path):
    return partial(study_in, tmp_path)
