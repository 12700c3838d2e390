import json

import pytest
from scipy import stats

from rtickets.config import DataConfig, EvaluateConfig, MeasureConfig, StudyConfig, TransferConfig
from rtickets.settings import config_files
from rtickets.stages.comparison import gains_of
from rtickets.stages.gap_reading import gap_notes, gap_readings

DISTANCES = {"near": 1.0, "middle": 4.0, "far": 9.0, "farthest": 20.0, "tuned": 3.0}
GAINS = {"near": 0.01, "middle": 0.05, "far": 0.04, "farthest": 0.10, "tuned": 0.3}


def config(**changes):
    transfers = {name: TransferConfig(mode="linear") for name in DISTANCES}
    transfers["tuned"] = TransferConfig()
    gap = MeasureConfig(name="domain_gap", data=DataConfig(source="digits"), examples=100)
    fields = {"seeds": (0, 1), "transfers": transfers, "sparsities": (0.9,),
              "evaluate": EvaluateConfig(measures={"gap": gap})}  # fmt: skip
    return StudyConfig(**{**fields, **changes})


def cell(seed, objective, transfer, draw):
    distance = DISTANCES[transfer] + (seed - 0.5) / 10
    if (objective, draw) != ("natural", "dense"):
        distance = 100 - distance  # of other networks, which nobody asks
    measure = {"value": distance, "low": distance, "high": distance, "unit": "",
               "higher_is_better": None}  # fmt: skip
    value = 0.5 + (objective == "robust") * (GAINS[transfer] + seed / 100)
    clean = {"value": value, "low": value, "high": value, "examples": 200, "correct": 1}
    return {
        "seed": seed, "objective": objective, "transfer": transfer, "draw": draw,
        "sparsity": 0.9 * (draw != "dense"), "clean": clean, "attacks": {},
        "measures": {"gap.frechet": measure}, "ticket": "draw-x",
    }  # fmt: skip


CELLS = [
    cell(seed, objective, transfer, draw)
    for seed in (0, 1)
    for objective in ("natural", "robust")
    for transfer in DISTANCES
    for draw in ("dense", "omp")
]


def readings(cells=CELLS, settings=None):
    return gap_readings(cells, gains_of(cells, "natural"), settings or config())


def test_a_reading_is_the_rank_correlation_over_the_targets_of_a_mode():
    found = readings()
    assert [(each["draw"], each["mode"]) for each in found] == [
        ("dense", "linear"),
        ("omp", "linear"),
    ]
    for each in found:
        targets = each["targets"]
        assert [t["transfer"] for t in targets] == ["near", "middle", "far", "farthest"]
        assert [t["distance"] for t in targets] == pytest.approx([1, 4, 9, 20])
        gains = [t["gain"] for t in targets]
        assert gains == pytest.approx([0.015, 0.055, 0.045, 0.105])
        assert each["rho"] == pytest.approx(stats.spearmanr([1, 4, 9, 20], gains).statistic)
        assert each["rho"] == pytest.approx(0.8)
        assert each["p"] == pytest.approx(8 / 24)  # of 24 orders eight are as strong
        assert each["p_holm"] == pytest.approx(2 * each["p"])
        assert all(t["gain_low"] < t["gain"] < t["gain_high"] for t in targets)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_distances_or_with_two_targets_there_is_no_reading():
    bare = [{**each, "measures": {}} for each in CELLS]
    assert readings(bare) == []
    assert readings(settings=config(evaluate=EvaluateConfig())) == []
    assert readings([each for each in CELLS if each["transfer"] in ("near", "far")]) == []


def test_distances_of_different_numbers_of_images_are_told():
    assert gap_notes(CELLS, config()) == []
    few = [
        {**each, "clean": {**each["clean"], "examples": 40}} if each["transfer"] == "far" else each
        for each in CELLS
    ]
    (note,) = gap_notes(few, config())
    assert "far 40" in note
    assert "examples to 40" in note


def test_the_number_of_images_that_a_measure_holds_is_taken():
    known = [{**c, "measures": {"gap.frechet": {**c["measures"]["gap.frechet"], "examples": 50}}}
             if c["transfer"] == "near" else c for c in CELLS]  # fmt: skip
    (note,) = gap_notes(known, config())
    assert "near 50" in note
    assert "examples to 50" in note


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (("natural", "dense"), ["distance of far lacks seed 1", "robust, dense, of far lacks"]),
        (("natural", "omp"), ["gain of robust, omp 10%, of far lacks seed 1"]),
        (("robust", "omp"), ["gain of robust, omp 10%, of far lacks seed 1"]),
    ],
)
def test_targets_of_different_seeds_are_told(lost, said):
    failed = (1, *lost, "far")
    names = ("seed", "objective", "draw", "transfer")
    notes = gap_notes([c for c in CELLS if tuple(c[n] for n in names) != failed], config())
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert words in note
        assert "gap.frechet, linear" in note


def test_targets_that_all_lack_a_seed_are_alike():
    assert gap_notes([each for each in CELLS if each["seed"] == 0], config()) == []


def test_settings_of_the_study_are_those_of_its_file():
    values = config_files.to_dict(config())
    assert config_files.parse(StudyConfig, values) == config()
