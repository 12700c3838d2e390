import pytest

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.config import DataConfig, DrawConfig, EvaluateConfig, StudyConfig, TransferConfig
from rtickets.evaluation.measures.calibration import CalibrationSettings
from rtickets.evaluation.measures.domain_gap import DomainGapSettings
from rtickets.evaluation.measures.gradients import GradientSettings
from rtickets.evaluation.measures.ood import OodSettings
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


GRADIENTS = GradientSettings(examples=64)
MEASURES = {
    "gradients": GRADIENTS,
    "calibration": CalibrationSettings(),
    "gap": DomainGapSettings(data=DataConfig(source="digits"), examples=1000),
    "ood": OodSettings(noise="gaussian", examples=300),
}


def measured_study():
    evaluate = EvaluateConfig(measures=MEASURES, attacks={"pgd": PgdSettings(num_steps=7)})
    values = {"value": 1.0, "low": 1.0, "high": 1.0, "unit": "", "higher_is_better": None}
    names = ("gradients.alignment", "calibration.ece", "gap.frechet", "ood.msp_auroc", "largest")
    cells = [
        {
            "transfer": transfer, "draw": "omp", "sparsity": 0.9, "objective": "natural", "seed": 0,
            "clean": {**values, "examples": count}, "measures": dict.fromkeys(names, values),
            "attacks": {"pgd": {**values, "examples": 50, "measures": {"largest": values}}},
        }
        for transfer, count in (("a", 40), ("b", 2000))
    ]  # fmt: skip
    own = TransferConfig()
    found = config(evaluate=evaluate, transfers={"a": own, "b": own})
    return found, {"cells": cells, "sources": []}


def said_of(metric, transfer=None, change=lambda cells: None):
    found, result = measured_study()
    change(result["cells"])
    return dict(study_facts(found, result, [], "2026-01-02", metric, transfer))


@pytest.mark.parametrize(
    ("metric", "examples", "threat", "how"),
    [
        ("clean", "a: 40; b: 2,000", "no attack", ""),
        ("pgd", "50", "7 steps", ""),
        ("gradients.alignment", "a: at most 40; b: at most 64", "no attack", ""),
        ("calibration.ece", "a: at most 40; b: at most 2,000", "no attack", ""),
        ("gap.frechet", "a: at most 40; b: at most 1,000", "no attack", "digits"),
        ("ood.msp_auroc", "a: at most 40; b: at most 2,000", "no attack", "300 images of gaussian"),
        ("largest", "a: 40; b: 2,000", "no attack", ""),
        ("largest under pgd", "50", "7 steps", ""),
        ("of.nobody", "", "no attack", ""),
    ],
)
def test_a_measure_says_its_own_examples_and_threat(metric, examples, threat, how):
    found = said_of(metric)
    assert found["examples"] == examples
    assert found["threat"].endswith(threat)
    assert how in found["how"]
    assert "unknown" not in found["threat"]


def test_a_number_of_examples_that_a_result_holds_is_taken():
    def stored(cells):
        for cell in cells:
            cell["measures"]["gap.frechet"] = {**cell["measures"]["gap.frechet"], "examples": 30}

    assert said_of("gap.frechet", change=stored)["examples"] == "30"


def test_facts_of_one_transfer_are_of_no_other():
    assert said_of("clean", "a")["examples"] == "40"
    assert said_of("gradients.alignment", "b")["examples"] == "at most 64"
