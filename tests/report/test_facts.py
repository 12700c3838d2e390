import pytest

from rtickets.config import DataConfig, DrawConfig, StudyConfig
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.report.facts import data_words, study_facts
from rtickets.settings import config_files


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "mnist5k"),
        ({"train_examples": 2000}, "mnist5k (2,000 training examples)"),
        ({"train_fraction": 0.01}, "1% of the training examples, balanced"),
        ({"train_per_class": 5, "train_choice": "prefix"}, "5 training examples of every class"),
    ],
)
def test_of_which_part_of_the_examples_numbers_are_is_said(fields, said):
    data = config_files.to_dict(DataConfig(source="mnist5k", **fields))
    assert said in data_words(data)


def config(**changes):
    study = config_files.replace(StudyConfig(draws={"omp": DrawConfig(), "snip": DrawConfig()}))
    return config_files.to_dict(config_files.replace(study, **changes))


def statistics(found):
    return dict(study_facts(found, {"cells": [], "sources": []}, [], "2026-01-02"))["statistics"]


def test_statistics_that_a_draw_estimates_anew_are_said():
    how = RecalibrateConfig(batches=4, batch_size=32)
    found = config()
    assert statistics(found) == "adapt"
    found["draws"]["snip"]["recalibrate"] = config_files.to_dict(how)
    said = statistics(found)
    assert "snip" in said
    assert "omp" not in said
    assert "4 batches of 32" in said
    assert said.endswith("; adapt")
    found["draws"]["snip"]["data"] = config_files.to_dict(DataConfig(source="digits"))
    found["evaluate"]["recalibrate"] = config_files.to_dict(how)
    assert "digits" in statistics(found)
    assert "for evaluation" in statistics(found)
