import dataclasses

import pytest

from rtickets.cli import overrides
from rtickets.config import (
    AttackConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
)
from rtickets.errors import InputError
from rtickets.settings import config_files

ATTACKS = {"fast": {"name": "fgsm_rs"}, "free": {"name": "fgsm"}}
FIELDS = {
    "beta": 2.0,
    "replays": 8,
    "collapse": 0.3,
    "check_steps": 5,
    "attack_statistics": "batch",
}
USED = {
    "natural": set(),
    "gaussian": set(),
    "pgd": {"attack_statistics"},
    "fast": {"collapse", "check_steps", "attack_statistics"},
    "free": {"replays", "check_steps"},
    "trades": {"beta", "attack_statistics"},
    "mart": {"beta", "attack_statistics"},
}


def values_of(name, **fields):
    attack = {"attack": ATTACKS[name]} if name in ATTACKS else {}
    return {"name": name, **attack, **fields}


@pytest.mark.parametrize("name", USED)
def test_fields_that_an_objective_does_not_use_are_refused_by_name(name):
    others = {"name", "attack", "sigma", "label_smoothing"}
    assert set(FIELDS) | others == {field.name for field in dataclasses.fields(ObjectiveConfig)}
    for field, value in FIELDS.items():
        values = values_of(name, **{field: value})
        if field in USED[name]:
            assert getattr(config_files.parse(ObjectiveConfig, values), field) == value
            continue
        message = f"objective '{name}' does not use {field}; leave it out"
        with pytest.raises(InputError, match=message) as caught:
            config_files.parse(ObjectiveConfig, values)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "fast"}, "'fast' attacks by 'fgsm_rs', not 'pgd'; set attack.name='fgsm_rs'"),
        ({"name": "free"}, "'free' attacks by 'fgsm', not 'pgd'.*attack.name='fgsm'"),
        (values_of("trades", attack={"name": "fgsm"}), "'trades' attacks by 'pgd', not 'fgsm'"),
        ({"name": "free", "attack": {"name": "fgsm", "norm": "l1"}}, "'linf' or 'l2', not 'l1'"),
        (values_of("trades", attack={"loss": "dlr"}), "'trades' does not use attack.loss"),
        (values_of("trades", attack={"rule": "adam"}), "'trades' does not use attack.rule"),
        (values_of("trades", attack={"best": True}), "'trades' does not use attack.best"),
        (values_of("trades", attack={"random_start": False}), "attack.random_start"),
        (values_of("mart", attack={"restarts": 2}), "2 restarts.* is not for training"),
        (values_of("fast", collapse=1.0), r"collapse=1\.0"),
        (values_of("mart", beta=-1.0), r"beta=-1\.0"),
        ({"name": "freee"}, "name='freee'"),
    ],
)
def test_bad_objectives_are_named_in_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        config_files.parse(ObjectiveConfig, values)
    assert "\n" not in str(caught.value)


def test_every_problem_of_an_objective_is_named_at_once():
    values = {"name": "free", "beta": 1.0, "attack": {"norm": "l1"}, "collapse": 0.5}
    with pytest.raises(InputError) as caught:
        config_files.parse(ObjectiveConfig, values)
    for part in ("attacks by 'fgsm'", "'linf' or 'l2'", "does not use beta, collapse"):
        assert part in str(caught.value)


def test_every_problem_of_a_run_is_named_at_once():
    values = {
        "objective": values_of("fast", attack_statistics="batch"),
        "statistics": "frozen",
        "validate_every": "0ep",
        "duration": "0it",
        "accumulate": 3,
    }
    with pytest.raises(InputError) as caught:
        config_files.parse(TrainConfig, values)
    for part in ("'fast' needs validate_every", "attack_statistics='batch'", "trains nothing",
                 "select='best'", "accumulate=3"):  # fmt: skip
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("averaging.decay=0.99", "averaging.decay", 0.99),
        ("averaging.warmup=false", "averaging.warmup", False),
        ("optimizer.clip_norm=1.5", "optimizer.clip_norm", 1.5),
        ("optimizer=adamw", "optimizer.name", "adamw"),
        ("optimizer.name=lars", "optimizer.trust", 0.001),
        ("optimizer.weight_decay_factors='.*/bias=0'", "optimizer.weight_decay_factors",
         (".*/bias=0",)),
        ("accumulate=4", "accumulate", 4),
        ("sync_statistics=false", "sync_statistics", False),
        ("objective.label_smoothing=1/10", "objective.label_smoothing", 0.1),
        ("objective.beta=2", "objective.beta", 2.0),
        ("objective.attack_statistics=batch_and_update", "objective.attack_statistics",
         "batch_and_update"),
    ],
)  # fmt: skip
def test_options_are_reachable_from_the_command_line(tmp_path, override, field, value):
    path = tmp_path / "file.py"
    path.write_text(
        "from rtickets.settings import config_files\n"
        "from rtickets.config import *\n"
        "def get_config():\n"
        "    train = TrainConfig(objective=ObjectiveConfig(name='trades'))\n"
        "    return config_files.editable(PretrainConfig(train=train))\n"
    )
    words = [f"--config={path}", f"--config.train.{override}"]
    config = overrides.from_command_line(PretrainConfig, words)
    found = config_files.to_paths(config_files.to_dict(config))
    assert found[f"train.{field}"] == value


@pytest.mark.parametrize(("name", "weight"), [("trades", 6.0), ("mart", 5.0)])
def test_divergences_have_the_published_weights(name, weight):
    assert ObjectiveConfig(name=name).kl_weight == weight
    assert ObjectiveConfig(name=name, beta=0.0).kl_weight == 0


@pytest.mark.parametrize("name", USED)
def test_a_study_takes_every_objective(name):
    objective = config_files.parse(ObjectiveConfig, values_of(name))
    config = StudyConfig(objectives={"natural": ObjectiveConfig(), "other": objective})
    assert config_files.parse(StudyConfig, config_files.editable(config)) == config


@pytest.mark.parametrize("name", USED)
def test_validation_is_under_the_attack_of_training_or_a_stronger_one(name):
    attack = config_files.parse(ObjectiveConfig, values_of(name)).validation_attack
    if name in ("natural", "gaussian"):
        assert attack is None
    else:
        assert attack == AttackConfig(num_steps=10 if name in ATTACKS else 7)


def test_a_study_names_the_objective_that_its_pretraining_cannot_minimise():
    values = {
        "objectives": {"natural": {}, "swift": values_of("fast")},
        "pretrain": {"train": {"validate_every": "0ep", "select": "last"}},
    }
    with pytest.raises(InputError, match=r"objectives\.swift: objective 'fast' needs validate_ev"):
        config_files.parse(StudyConfig, values)
