import dataclasses

import pytest
from ml_collections import ConfigDict

from rtickets.cli import overrides
from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE
from rtickets.runs import run_identity
from rtickets.settings import config_files

ALL = [DataConfig, PretrainConfig, DrawConfig, TransferConfig, EvaluateConfig, StudyConfig]


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.py"
    path.write_text(
        "from rtickets import config; from rtickets.settings import config_files\n"
        "def get_config():\n"
        "    return config_files.editable(config.StudyConfig(seeds=(0, 1)))\n"
    )
    return path


def read(file, *changes):
    words = [f"--config={file}", *(f"--config.{change}" for change in changes)]
    return overrides.from_command_line(StudyConfig, words)


@pytest.mark.parametrize("cls", ALL)
def test_a_configuration_survives_the_way_through_a_config_dict_and_json(cls):
    config = cls()
    assert config_files.parse(cls, config_files.editable(config)) == config
    assert config_files.parse(cls, config_files.to_dict(config)) == config


@pytest.mark.parametrize("cls", ALL)
def test_configurations_are_frozen(cls):
    name = dataclasses.fields(cls)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(cls(), name, None)


def test_the_default_of_prunable_is_the_library_s():
    assert DrawConfig().prunable == DEFAULT_PRUNABLE


def test_overrides_reach_every_kind_of_field(study_file):
    config = read(
        study_file,
        "sparsities=(0.5,0.99)",
        "objectives.robust.attack.eps=8/255",
        "pretrain.data.image_size=32",
        "pretrain.data.flip=false",
        "draws.omp.exclude=stem_conv/kernel",
        "transfers.finetune.train.duration=500it",
        "seeds=(3,)",
    )
    assert config.sparsities == (0.5, 0.99)
    assert config.objectives["robust"].attack.eps == 8 / 255
    assert config.pretrain.data.image_size == 32
    assert config.pretrain.data.flip is False
    assert config.draws["omp"].exclude == "stem_conv/kernel"
    assert config.transfers["finetune"].train.duration == "500it"
    assert config.seeds == (3,)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sparsitie=(0.5,)", r"sparsitie \(did you mean sparsities"),
        ("sparsities=(0.5,1.0)", r"sparsities\.1=1\.0: .*less than 1"),
        ("pretrain.train.batch_size=-1", r"pretrain\.train\.batch_size=-1"),
        ("pretrain.train.batch_size=abc", "batch_size='abc'"),
        ("pretrain.train.duration=5", r"pretrain\.train\.duration='5'"),
        ("pretrain.train.duration=0ep", "trains nothing"),
        ("pretrain.train.validate_every=0ep", "needs validate_every"),
        ("objectives.robust.attack.norm=l7", r"norm='l7'"),
        ("objectives.robust.attack.eps=-0.1", r"eps=-0\.1"),
        ("baseline=other", "baseline='other'"),
        ("seeds=()", "at least one entry"),
    ],
)
def test_a_bad_override_is_named_in_one_line(study_file, override, message):
    with pytest.raises(InputError, match=message) as caught:
        read(study_file, override)
    assert "\n" not in str(caught.value)


def test_every_bad_field_is_named_at_once(study_file):
    with pytest.raises(InputError) as caught:
        read(study_file, "sparsities=(2.0,)", "pretrain.train.batch_size=0", "seeds=(-1,)")
    for field in ("sparsities.0=2.0", "pretrain.train.batch_size=0", "seeds.0=-1"):
        assert field in str(caught.value)


def test_an_unknown_field_is_named_with_a_suggestion():
    with pytest.raises(InputError, match=r"data\.sorce .*data\.source\?"):
        config_files.parse(PretrainConfig, {"data": {"sorce": "digits"}})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--config=FILE.py is missing"),
        (["--config=nowhere.py"], "--config=nowhere.py: no such Python file"),
        (["--config"], "--config=: no such Python file"),
    ],
)
def test_a_missing_file_is_named(words, message):
    with pytest.raises(InputError, match=message):
        overrides.from_command_line(StudyConfig, words)


def test_a_stray_word_is_named(study_file):
    with pytest.raises(InputError, match="'stray'"):
        overrides.from_command_line(StudyConfig, [f"--config={study_file}", "stray"])


def test_a_file_that_fails_says_why_in_one_line(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def get_config():\n    return 1 / 0\n")
    with pytest.raises(InputError, match="ZeroDivisionError: division by zero") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_ends_the_process_is_an_error(tmp_path):
    path = tmp_path / "ends.py"
    path.write_text("raise SystemExit(0)\n")
    with pytest.raises(InputError, match="SystemExit: 0"):
        read(path)


def test_two_files_are_refused_instead_of_one_being_ignored(study_file):
    words = [f"--config={study_file}", "--config", "studies/demo"]
    with pytest.raises(InputError, match="--config=studies/demo: give one file"):
        overrides.from_command_line(StudyConfig, words)
    same = [f"--config={study_file}"] * 2
    assert overrides.from_command_line(StudyConfig, same) == read(study_file)


def test_a_wrong_field_in_a_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(
        "from rtickets.config import *\n"
        "def get_config():\n"
        "    return TrainConfig(batch_sise=3, duration='5')\n"
    )
    with pytest.raises(InputError, match=r"TrainConfig: .*duration='5'.*batch_sise") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [("pretrain.train.optimizer.momentum=1/0", "momentum='1/0'"), ("nmae=1/2", "nmae")],
)
def test_a_fraction_that_is_none_is_named(study_file, override, message):
    with pytest.raises(InputError, match=message):
        read(study_file, override)


def test_a_path_that_looks_like_a_fraction_stays_a_path(study_file):
    path = read(study_file, "pretrain.data.path=/2024/11").pretrain.data.path
    assert path == "/2024/11"


def test_a_file_that_returns_something_else_is_named(tmp_path):
    path = tmp_path / "other.py"
    path.write_text("def get_config():\n    return 3\n")
    with pytest.raises(InputError, match="returned a int"):
        read(path)


def test_a_file_takes_an_argument_after_a_colon(tmp_path):
    path = tmp_path / "sized.py"
    path.write_text(
        "from rtickets import config; from rtickets.settings import config_files\n"
        "def get_config(name):\n"
        "    return config_files.editable(config.StudyConfig(name=name))\n"
    )
    assert read(f"{path}:small").name == "small"


def test_the_config_dict_is_locked():
    config = config_files.editable(StudyConfig())
    assert isinstance(config, ConfigDict)
    with pytest.raises(AttributeError, match="nmae"):
        config.nmae = "x"


def test_the_digest_ignores_defaults_and_places_but_nothing_else():
    base = DrawConfig(sparsity=0.5)
    digest = run_identity.digest(base)
    assert run_identity.digest(DrawConfig(sparsity=0.5, method="omp", ticket="there")) == digest
    assert run_identity.digest(DrawConfig(sparsity=0.6)) != digest
    assert run_identity.digest(base, "upstream") != digest
    assert run_identity.digest(TransferConfig()) != run_identity.digest(EvaluateConfig())


def test_replace_reaches_nested_fields():
    config = config_files.replace(PretrainConfig(), train__seed=4, train__optimizer__momentum=0.5)
    assert config.train.seed == 4
    assert config.train.optimizer.momentum == 0.5
    assert config.data == DataConfig()


def test_branches_of_a_comparison_differ_in_the_objective_alone():
    natural = PretrainConfig()
    robust = config_files.replace(natural, train__objective=ObjectiveConfig(name="pgd"))
    a, b = (config_files.to_paths(config_files.to_dict(c)) for c in (natural, robust))
    assert {path for path in a if a[path] != b[path]} == {"train.objective.name"}


def test_labels_that_the_report_uses_itself_are_refused():
    with pytest.raises(ValueError, match="'dense'"):
        StudyConfig(draws={"dense": DrawConfig()})
    with pytest.raises(ValueError, match="'clean'"):
        EvaluateConfig(attacks={"clean": AttackConfig()})
    with pytest.raises(ValueError, match="'certified'"):
        EvaluateConfig(attacks={"certified": AttackConfig()})


@pytest.mark.parametrize(
    ("field", "values", "twice"),
    [
        ("seeds", (0, 1, 0), "has 0 more"),
        ("sparsities", (0.5, 0.5), "has 0.5 more"),
        ("ladders", {"omp": (0.2, 0.8, 0.2)}, r"ladders.omp=.* has 0.2 more"),
    ],
)
def test_a_study_measures_nothing_twice(field, values, twice):
    with pytest.raises(ValueError, match=twice):
        StudyConfig(**{field: values})


def test_best_needs_validation():
    with pytest.raises(ValueError, match="needs validate_every"):
        TrainConfig(select="best", validate_every="0ep")
