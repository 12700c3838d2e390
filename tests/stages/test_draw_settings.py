import pytest

from rtickets.config import AttackConfig, DataConfig, DrawConfig, ImpConfig, TrainConfig
from rtickets.errors import InputError
from rtickets.runs import run_identity
from rtickets.settings import config_files

TRAIN = {"duration": "60it"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "a3de8cef85"),
        ({"sparsity": 0.5}, "28c95d364f"),
        (
            {
                "sparsity": 0.95,
                "pattern": "kernel",
                "scope": "uniform",
                "exclude": "stem.*",
                "criterion": "random",
                "seed": 3,
            },
            "cb98d76a8e",
        ),
    ],
)
def test_digests_are_those_of_the_first_release(fields, expected):
    """Version 0.1 had one-shot pruning alone; its runs keep their folders."""
    assert run_identity.digest(DrawConfig(**fields)) == expected


def test_fields_at_their_defaults_do_not_change_a_digest():
    written_out = config_files.to_dict(DrawConfig(sparsity=0.5))
    same = config_files.parse(DrawConfig, written_out)
    assert run_identity.digest(same) == run_identity.digest(DrawConfig(sparsity=0.5))
    imp = {"method": "imp", "train": TrainConfig()}
    assert run_identity.digest(DrawConfig(**imp)) == run_identity.digest(
        DrawConfig(**{**imp, "method": ImpConfig()})
    )


@pytest.mark.parametrize(
    "change",
    [
        {"method": ImpConfig(rate=0.3)},
        {"method": ImpConfig(of="original")},
        {"method": ImpConfig(rewind="1ep")},
        {"method": ImpConfig(statistics="keep")},
        {"method": ImpConfig(head="keep")},
        {"method": ImpConfig(optimizer="keep")},
        {"train": TrainConfig(duration="60it")},
        {"data": DataConfig(source="mnist5k")},
        {"control": "shuffled"},
        {"scope": "uniform"},
    ],
    ids=str,
)
def test_every_setting_of_iterative_pruning_tells_runs_apart(change):
    fields = {"method": "imp", "train": TrainConfig()}
    before, after = DrawConfig(**fields), DrawConfig(**{**fields, **change})
    assert run_identity.digest(before) != run_identity.digest(after)


@pytest.mark.parametrize(
    "values",
    [
        {"method": "imp", "train": TRAIN},
        {"method": {"name": "imp", "rate": 0.5, "rewind": "1ep"}, "train": TRAIN, "scope": "erk"},
        {"method": "imp", "train": TRAIN, "data": {"source": "mnist5k"}, "group_norm": "l2"},
        {
            "method": {"name": "lmp", "gate": {"start": "kaiming"}},
            "train": TRAIN,
            "scope": "uniform",
        },
        {"method": "lmp", "train": TRAIN, "pattern": "row", "control": "random"},
        {"control": "flipped", "flip_fraction": 0.3},
        {"criterion": "synflow", "floor": 0.05},
        {"control": "mask_noise", "flip_fraction": 0.03},
        {"control": "weight_noise", "noise_std": 0.0387},
        {"control": "permuted_layers"},
    ],
    ids=str,
)
def test_a_configuration_survives_the_way_through_a_config_dict(values):
    config = config_files.parse(DrawConfig, values)
    assert config_files.parse(DrawConfig, config_files.editable(config)) == config
    assert config_files.parse(DrawConfig, config_files.to_dict(config)) == config


IMP, LMP = {"method": "imp", "train": TRAIN}, {"method": "lmp", "train": TRAIN}


def imp(**own):
    return {"method": {"name": "imp", **own}}


NO_MOMENTUM = {"train": {**TRAIN, "optimizer": {"momentum": 0.0}}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "imp"}, "method='imp' .*train"),
        ({"method": "lmp"}, "method='lmp' .*train"),
        ({"train": TRAIN}, "method='omp' .*train;"),
        ({"method": {"rate": 0.3}}, r"method\.rate=.*imp does"),
        ({"method": {"gate": {"train_head": False}}}, r"method\.gate: .*lmp does"),
        ({**IMP, **imp(gate={})}, "method 'imp' does not use gate.*lmp does"),
        ({**LMP, "method": {"name": "lmp", "rewind": "1ep"}}, "method 'lmp' does not use rewind"),
        ({**LMP, "group_norm": "l2"}, "method='lmp' .*group_norm;"),
        ({"data": {}}, "does not use data;"),
        ({**IMP, "floor": 0.1}, "method='imp' .*does not use floor;"),
        ({"floor": 0.1, "scope": "erk"}, "floor=0.1.*scope='erk'"),
        ({"floor": 0.1, "pattern": "2:4", "sparsity": 0.5}, "floor=0.1.*2:4"),
        ({**IMP, "examples": 8, "rounds": 2}, "examples, rounds;"),
        ({**LMP, "attack": {}}, "does not use attack;"),
        ({"flip_fraction": 0.3}, "does not use flip_fraction;"),
        ({"control": "random", "flip_fraction": 0.3}, "does not use flip_fraction;"),
        ({"control": "mask_noise", "noise_std": 0.3}, "does not use noise_std;"),
        ({"control": "weight_noise", "noise_std": 0.0}, r"noise_std=0\.0"),
        ({"control": "mask_noise", "pattern": "2:4", "sparsity": 0.5}, "'mask_noise' would not"),
        ({**IMP, "criterion": "snip"}, "method='imp' takes criterion='magnitude'"),
        ({**LMP, "criterion": "random"}, "method='lmp' takes criterion='magnitude'"),
        ({**IMP, "pattern": "2:4", "sparsity": 0.5}, "patterns other than N:M"),
        ({**LMP, "scope": "erk"}, "method='lmp' .*'global' or 'uniform'"),
        ({"control": "shuffled", "pattern": "block:2x2"}, "control='shuffled' would not keep"),
        ({"control": "flipped", "pattern": "2:4", "sparsity": 0.5}, "control='flipped' would not"),
        ({**IMP, **NO_MOMENTUM, **imp(optimizer="keep")}, "has no momentum to keep"),
        ({**IMP, **imp(rate=1.0)}, r"method\.rate=1\.0"),
        ({**IMP, **imp(rewind="3")}, r"method\.rewind='3'"),
        ({**IMP, **imp(rewnd="3it")}, r"method\.rewnd=.*rewind"),
        (
            {**LMP, "method": {"name": "lmp", "gate": {"start": "zero"}}},
            r"method\.gate\.start='zero'",
        ),
        ({"method": "amp"}, "amp.*'omp', 'imp', 'lmp'"),
        ({"layouts": ["out/kernel"]}, "layouts: 'out/kernel' .*'='"),
        ({"layouts": ["out/kernel=xo"]}, "layout 'xo' is none"),
        ({"control": "shuffle"}, "control='shuffle'"),
    ],
    ids=str,
)
def test_what_does_not_belong_together_is_named_in_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        config_files.parse(DrawConfig, values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("criterion", "seeded"),
    [
        ("magnitude", False),
        ("synflow", False),
        ("random", True),
        ("snip", True),
        ("grasp", True),
        ("taylor", True),
    ],
)
def test_which_masks_depend_on_the_seed(criterion, seeded):
    assert DrawConfig(criterion=criterion).seeded is seeded


def test_an_adversarial_objective_of_one_step_is_that_of_the_paper():
    attack = AttackConfig(name="fgsm_rs", eps=4 / 255)
    assert (attack.steps, attack.step) == (1, pytest.approx(1.25 * 4 / 255))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prunable": "("}, r"prunable='\(' is not a regular expression"),
        ({"exclude": "[a"}, r"exclude='\[a' is not a regular expression"),
        ({"pattern": "7:4"}, "pattern='7:4' removes nothing"),
    ],
)
def test_what_no_draw_can_use_is_refused_with_the_configuration(fields, message):
    """Also by a dry run, which looks at no kernel."""
    with pytest.raises(ValueError, match=message):
        DrawConfig(**fields)
