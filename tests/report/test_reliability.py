import io

import numpy as np
from PIL import Image

from rtickets.report.reliability import own_diagrams, reliability_tables, study_diagrams

BINS = [
    {"low": 0.4, "high": 0.6, "examples": 5, "confidence": 0.5, "accuracy": 0.4},
    {"low": 0.9, "high": 1.0, "examples": 50, "confidence": 0.95, "accuracy": 0.8},
]
TABLES = {"tables": {"cal.reliability": BINS, "other.table": [{"x": 1.0}], "empty": []}}


def test_tables_of_bins_are_told_from_others():
    assert list(reliability_tables(TABLES)) == ["cal.reliability"]
    assert reliability_tables({}) == {}


def test_an_evaluation_has_a_picture_a_table():
    (picture,) = own_diagrams(TABLES).values()
    assert np.unique(np.asarray(Image.open(io.BytesIO(picture)).convert("L"))).size > 10


def test_a_study_has_a_picture_a_transfer_of_its_first_seed():
    cells = [
        {"seed": seed, "objective": objective, "draw": draw, "sparsity": 0.9 * (draw != "dense"),
         "transfer": transfer, **TABLES}
        for seed in (3, 4) for objective in ("natural", "robust")
        for draw in ("dense", "omp") for transfer in ("a", "b")
    ]  # fmt: skip
    found = study_diagrams({"cells": cells})
    assert list(found) == ["a: cal.reliability", "b: cal.reliability"]
    assert study_diagrams({"cells": []}) == {}
