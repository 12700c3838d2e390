import dataclasses
import json

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
from rtickets.training.objectives import OBJECTIVES

ATTACKS = {"fast": {"name": "fgsm_rs"}, "free": {"name": "fgsm"}}
FIELDS = {
    "attack": {"eps": 0.01},
    "sigma": 0.1,
    "beta": 2.0,
    "replays": 8,
    "collapse": 0.3,
    "check_steps": 5,
    "attack_statistics": "batch",
}
USED = {
    "natural": set(),
    "gaussian": {"sigma"},
    "pgd": {"attack", "attack_statistics"},
    "fast": {"attack", "collapse", "check_steps", "attack_statistics"},
    "free": {"attack", "replays", "check_steps"},
    "trades": {"attack", "beta", "attack_statistics"},
    "mart": {"attack", "beta", "attack_statistics"},
    "embeddings": {"features", "eps", "step_size", "num_steps", "random_start"},
}
COMMON = {"name", "label_smoothing"}


def values_of(name, **fields):
    attack = {"attack": ATTACKS[name]} if name in ATTACKS else {}
    return {"name": name, **attack, **fields}


@pytest.mark.parametrize("name", USED)
def test_fields_that_an_objective_does_not_use_are_refused_by_name(name):
    assert set(OBJECTIVES) == set(USED)
    assert USED[name] == {f.name for f in dataclasses.fields(OBJECTIVES[name])} - COMMON
    for field, value in FIELDS.items():
        values = values_of(name) | {field: value}
        if field in USED[name]:
            found = config_files.to_dict(config_files.parse(ObjectiveConfig, values))[field]
            assert found["eps"] == 0.01 if field == "attack" else found == value
            continue
        with pytest.raises(InputError) as caught:
            config_files.parse(ObjectiveConfig, values)
        users = [other for other in USED if field in USED[other]]
        assert all(word in str(caught.value) for word in (repr(name), field, *users))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "fast", "attack": {"name": "pgd"}}, "attack.*'fgsm_rs', not 'pgd'"),
        ({"name": "fast", "attack": AttackConfig()}, "attack.*'fgsm_rs', not 'pgd'"),
        ({"name": "free", "attack": {"name": "pgd", "num_steps": 2}}, "attack.*'fgsm', not 'pgd'"),
        ({"name": "trades", "attack": {"name": "fgsm"}}, "attack.*'pgd', not 'fgsm'"),
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
    for part in ("use beta", "trades, mart", "use collapse", "fast", "'linf' or 'l2'"):
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
    assert OBJECTIVES[name]().beta == weight


# What every objective of earlier versions was stored with.
ONCE = {
    "label_smoothing": 0.1, "attack": {"name": "pgd", "num_steps": 7, "version": "standard"},
    "sigma": 0.25, "beta": None, "replays": 4, "collapse": 0.2, "check_steps": 10,
    "attack_statistics": "frozen",
}  # fmt: skip


@pytest.mark.parametrize("name", USED)
def test_settings_survive_being_stored_and_those_of_earlier_versions_are_read(name):
    config = config_files.parse(ObjectiveConfig, values_of(name, label_smoothing=0.1))
    for short in (False, True):
        values = config_files.to_dict(config, exclude_defaults=short)
        assert config_files.parse(ObjectiveConfig, json.loads(json.dumps(values))) == config
    assert config_files.parse(ObjectiveConfig, {**ONCE, **values_of(name)}) == (
        config if name in ATTACKS else ObjectiveConfig(name=name, label_smoothing=0.1)
    )


@pytest.mark.parametrize("name", USED)
def test_another_objective_than_the_file_s_keeps_what_both_have(name, tmp_path):
    path = tmp_path / "file.py"
    path.write_text(
        "from rtickets.settings import config_files\n"
        "from rtickets.config import *\n"
        "def get_config():\n"
        "    attack = AttackConfig(norm='l2', eps=0.5, num_steps=2)\n"
        "    train = TrainConfig(objective=ObjectiveConfig(name='pgd', attack=attack))\n"
        "    return config_files.editable(PretrainConfig(train=train))\n"
    )
    own = dict.fromkeys(USED[name] & {"beta", "replays", "check_steps"}, 3)
    words = [f"--config.train.objective.{field}={value}" for field, value in own.items()]
    words = [f"--config={path}", *words, f"--config.train.objective.name={name}"]
    found = overrides.from_command_line(PretrainConfig, words).train.objective
    assert type(found) is OBJECTIVES[name]
    assert all(getattr(found, field) == value for field, value in own.items())
    if found.attack is not None:
        assert (found.attack.norm, found.attack.eps) == ("l2", 0.5)
        assert found.attack.steps == (1 if name in ATTACKS else 2)


def test_the_attack_of_one_step_becomes_one_of_many():
    fast = ObjectiveConfig(name="fast", attack=AttackConfig(name="fgsm_rs", eps=0.5, norm="l2"))
    found = config_files.replace(fast, name="pgd")
    assert found.attack == AttackConfig(num_steps=7, eps=0.5, norm="l2")
    chosen = ObjectiveConfig(name="pgd", attack=AttackConfig(name="fgsm", eps=0.1))
    assert config_files.replace(chosen, name="mart").attack == chosen.attack


@pytest.mark.parametrize("name", USED)
def test_a_study_takes_every_objective(name):
    objective = config_files.parse(ObjectiveConfig, values_of(name))
    config = StudyConfig(objectives={"natural": ObjectiveConfig(), "other": objective})
    assert config_files.parse(StudyConfig, config_files.editable(config)) == config


@pytest.mark.parametrize("name", USED)
def test_validation_is_under_the_attack_of_training_or_a_stronger_one(name):
    attack = config_files.parse(ObjectiveConfig, values_of(name)).validation_attack
    if name in ("natural", "gaussian", "embeddings"):
        assert attack is None
    else:
        assert attack == AttackConfig(num_steps=10 if name in ATTACKS else 7)


def test_a_study_names_the_objective_that_its_pretraining_cannot_minimise():
    values = {
        "objectives": {"natural": {}, "swift": values_of("fast")},
        "pretrain": {"train": {"validate_every": "0ep", "select": "last"}},
    }
    with pytest.raises(InputError, match=r"objectives\.swift: .*'fast' .*validate_ev"):
        config_files.parse(StudyConfig, values)
