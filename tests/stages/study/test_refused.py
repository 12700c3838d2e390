"""What fails before anything of a study is trained."""

import pytest

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ObjectiveConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.errors import InputError
from rtickets.evaluation.measures.ood import OodSettings
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.grid import grid
from rtickets.stages.study_checks import check_study
from tests.stages.study.conftest import DRAWS, OTHER, PGD, TRAIN, config_with


def test_a_way_of_drawing_has_its_own_ladder_or_the_common_one():
    config = config_with(ladders={"imp": (0.36, 0.5904)})
    found = [(cell.draw, cell.sparsity) for cell in grid(config)]
    assert found == [("dense", 0), ("omp", 0.8), ("omp", 0.95), ("imp", 0.36), ("imp", 0.5904)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ladders": {"imp": (0.5,), "lmp": (0.5,)}}, "labels that draws lacks: lmp$"),
        ({"ladders": {"imp": ()}}, "ladder .*at least one"),
        ({"ladders": {"imp": (1.5,)}}, r"ladders\.imp\.0=1\.5"),
        ({"sparsities": ()}, "at least one entry"),
    ],
)
def test_bad_ladders_are_named_in_one_line(fields, message):
    values = {**config_files.to_dict(config_with()), **fields}
    with pytest.raises(InputError, match=message) as caught:
        config_files.parse(StudyConfig, values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ladders": {"imp": (0.0, 0.5)}}, "imp: sparsity=0 prunes nothing"),
        ({"draws": {"c": DrawConfig(control="complement")}, "sparsities": (0.0,)},
         r"sparsity=1\.0 is outside"),
        ({"draws": {"c": DrawConfig(control="complement", pattern="1:4")}, "sparsities": (0.75,)},
         r"pattern='1:4' removes 0\.75"),
        ({"draws": {"imp": config_files.replace(DRAWS["imp"], train__batch_size=10**6)}},
         "imp: batch_size=1000000 exceeds"),
        ({"draws": {"imp": config_files.replace(DRAWS["imp"], data=DataConfig(source="digit"))}},
         "imp: source='digit' is unknown"),
        ({"draws": {"imp": config_files.replace(DRAWS["imp"], method__rewind="1ep")}},
         r"method\.rewind='1ep' .*'60it'"),
        ({"draws": {"c": DrawConfig(pattern="2:4", sparsity=0.5)}, "sparsities": (0.5,)},
         "c: pattern='2:4' .*stem_conv/kernel .* 1 inputs"),
        ({"draws": {"c": DrawConfig(exclude="stem9.*")}}, "c: exclude='stem9.*' matches none"),
        ({"draws": {"c": DrawConfig(control="permuted_layers")}}, "c: layers=.* 0 layers"),
        ({"draws": {"c": DrawConfig(layouts=("stem9.*=io",))}}, "c: layouts: 'stem9.*' matches"),
        ({"draws": {"c": DrawConfig(layouts=("stem_conv/kernel=io",))}}, "c: layouts: 'io' does"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_fails_before_anything_is_trained(fields, message):
    tiny = {"transfers": {"t": TransferConfig(data=DataConfig(source="fashion_mini"))}}
    with pytest.raises(InputError, match=message):
        check_study(config_with(**tiny, **fields), parallel.local_devices(1))


MISSING = DataConfig(source="npz", path="/nowhere.npz")
FAR = AttackConfig(norm="l2", eps=100.0)
ROBUST = ObjectiveConfig(name="pgd", attack=FAR)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"evaluate": EvaluateConfig(measures={"far": OodSettings(data=MISSING)})}, "/nowhere.npz"),
        ({"evaluate": EvaluateConfig(attacks={"far": FAR})}, "attacks.far: eps=100"),
        ({"objectives": {"robust": ROBUST}, "baseline": "robust"}, "objective 'pgd': eps=100"),
        ({"draws": {"s": config_files.replace(DRAWS["snip"], attack=FAR)}}, "s: attack: eps=100"),
        ({"draws": {"s": config_files.replace(DRAWS["snip"], data=MISSING)}}, "/nowhere.npz"),
        ({"draws": {"i": config_files.replace(DRAWS["imp"], train__objective=ROBUST)}},
         "i: objective 'pgd': eps=100"),
        ({"transfers": {"t": TransferConfig(train=TrainConfig(objective=ROBUST))}},
         "t: objective 'pgd': eps=100"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_fails_before_anything_is_trained(fields, message):
    small = {"transfers": {"t": TransferConfig(data=DataConfig(source="digits"))}}
    with pytest.raises(InputError, match=message):
        check_study(config_with(**{**small, **fields}), parallel.local_devices(1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": "cached"}, r"t: .*data\.crop_padding=0, data\.flip=False"),
        ({"recalibrate": TransferRecalibrateConfig(batches=10**4)}, "t: .*10000 batches of 128"),
        (
            {"recalibrate": TransferRecalibrateConfig(batches=10**4, on="source")},
            "t of dense: .*10000",
        ),
    ],
)
def test_a_protocol_that_cannot_be_followed_fails_before_anything_is_trained(fields, message):
    frozen = config_files.replace(TRAIN, statistics="frozen")
    run = TransferConfig(data=DataConfig(), mode="linear", train=frozen, **fields)
    with pytest.raises(InputError, match=message):
        check_study(config_with(transfers={"t": run}), parallel.local_devices(1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pretrainings": {"natural": OTHER}}, "natural: stands in objectives and in pretrainings"),
        ({"objectives": {}}, "objectives and pretrainings are empty"),
        (
            {"objectives": {}, "pretrain": OTHER, "pretrainings": {"natural": OTHER}},
            "pretrain would change nothing",
        ),
        ({"baseline": "other"}, "baseline='other' is no pretraining of this study.*natural"),
        (
            {"pretrainings": {"x": config_files.replace(OTHER, train__seed=3)}},
            "pretrainings.x.train.seed=3 would change nothing",
        ),
        (
            {"draws": {"omp": DRAWS["omp"]}, "drawn_as_pretrained": ("imp",)},
            "'imp' is none of the draws",
        ),
        ({"drawn_as_pretrained": ("omp",)}, "'omp' trains nothing"),
        (
            {
                "draws": {
                    "imp": DrawConfig(
                        method="imp", train=config_files.replace(TRAIN, objective=PGD)
                    )
                },
                "drawn_as_pretrained": ("imp",),
            },
            "draws.imp.train.objective would be replaced",
        ),
    ],
)
def test_branches_that_say_nothing_or_twice_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        config_with(**fields)


def test_all_data_that_are_missing_are_named_at_once():
    """A cause that several runs share is said once, after the names of these."""
    first, second = (DataConfig(source="npz", path=f"/nowhere/{name}.npz") for name in "ab")
    asked = {
        "transfers": {
            "t": TransferConfig(data=first), "fine": TransferConfig(data=DataConfig()),
            "u": TransferConfig(data=second), "v": TransferConfig(data=first),
        },
        "draws": {"imp": config_files.replace(DRAWS["imp"], data=second)},
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        check_study(config_with(**asked), parallel.local_devices(1))
    said = str(caught.value)
    assert said.startswith("t, v: ")
    assert "; u, imp: " in said
    assert (said.count("/nowhere/a.npz"), said.count("/nowhere/b.npz")) == (1, 1)
    assert "fine" not in said
    assert "\n" not in said


def test_the_data_of_every_branch_are_looked_at():
    missing = config_files.replace(OTHER, data__source="npz", data__path="/nowhere/at/all.npz")
    config = config_with(pretrainings={"other": missing})
    with pytest.raises(InputError, match="nowhere"):
        check_study(config, parallel.local_devices(1))
