import pytest

from rtickets.cli import overrides
from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    OptimizerConfig,
    SearchConfig,
    StudyConfig,
    TrainConfig,
)
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks import Segmentation


def read(cls, *changes, default=None):
    words = [f"--config.{change}" for change in changes]
    return overrides.from_command_line(cls, words, cls() if default is None else default)


def test_a_new_label_begins_with_the_defaults_of_its_class():
    config = read(EvaluateConfig, "attacks.mine.name=square", "attacks.mine.eps=4/255")
    assert config.attacks == {"mine": AttackConfig(name="square", eps=4 / 255)}


def test_new_labels_stand_beside_the_old_ones_in_every_part_by_label():
    config = read(
        StudyConfig,
        "objectives.fast.name=fast",
        "objectives.fast.attack.name=fgsm_rs",
        "draws.rows.pattern=row",
        "ladders.rows=(0.5,)",
        "transfers.linear.mode=linear",
        "evaluate.attacks.pgd.num_steps=20",
    )
    assert set(config.objectives) == {"natural", "robust", "fast"}
    assert config.objectives["fast"].attack == AttackConfig(name="fgsm_rs")
    assert config.draws["rows"].pattern == "row"
    assert config.ladders == {"rows": (0.5,)}
    assert set(config.transfers) == {"finetune", "linear"}
    assert config.evaluate.attacks["pgd"].steps == 20


def test_a_label_that_no_folder_may_be_called_is_refused():
    with pytest.raises(InputError, match=r"attacks\.a/b"):
        read(EvaluateConfig, "attacks.a/b.name=square")


@pytest.mark.parametrize(
    ("field", "before"),
    [
        ("exclude", {"exclude": "stem"}),
        ("rounds", {"criterion": "snip", "rounds": 3}),
        ("data", {"criterion": "snip", "data": DataConfig()}),
        ("attack", {"criterion": "snip", "attack": AttackConfig()}),
        ("control", {"control": "random"}),
    ],
)
def test_an_optional_field_goes_back_to_none(field, before):
    config = DrawConfig(**before)
    assert getattr(config, field) is not None
    assert getattr(read(DrawConfig, f"{field}=None", default=config), field) is None


def test_none_is_refused_where_a_field_needs_a_value():
    with pytest.raises(InputError, match="sparsity=None"):
        read(DrawConfig, "sparsity=None")


def test_a_part_that_is_none_begins_when_one_of_its_fields_is_set():
    config = read(EvaluateConfig, "data.source=digits", "smoothing.sigma=0.5")
    assert config.data == DataConfig(source="digits")
    assert config.smoothing.sigma == 0.5


def test_a_value_after_none_counts_and_the_other_way_round():
    assert read(DrawConfig, "exclude=None", "exclude=stem").exclude == "stem"
    assert read(DrawConfig, "exclude=stem", "exclude=None").exclude is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1/255,2/255)", (1 / 255, 2 / 255)),
        ("0.5", (0.5,)),
        ("0.5,1", (0.5, 1.0)),
        ("[0.5, 1]", (0.5, 1.0)),
        ("()", ()),
    ],
)
def test_a_tuple_may_be_written_in_several_ways(text, value):
    assert read(AttackConfig, f"radii={text}").radii == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".*/out/kernel=iio", (".*/out/kernel=iio",)),
        ("a=io, b=oi", ("a=io", "b=oi")),
        ("(a=io,b=oi)", ("a=io", "b=oi")),
        ("(a|b)/(c|d)=io", ("(a|b)/(c|d)=io",)),
        ("('layer1/2/(k|l){1,2}=io',)", ("layer1/2/(k|l){1,2}=io",)),
    ],
)
def test_texts_that_hold_expressions(text, value):
    assert read(DrawConfig, f"layouts={text}").layouts == value


def test_durations_need_no_quotes():
    changes = ("optimizer.schedule=multistep", "optimizer.milestones=(30ep,60ep)")
    assert read(TrainConfig, *changes).optimizer.milestones == ("30ep", "60ep")


@pytest.mark.parametrize("text", ["3", "2024/11", "None of these", "(a,b)"])
def test_words_are_taken_as_they_are_written(text):
    assert read(DrawConfig, f"exclude={text}").exclude == text


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("False", False), ("1", True), ("None", None)]
)
def test_truth_may_be_written_in_several_ways(text, value):
    assert read(DataConfig, f"flip={text}").flip is value


def test_a_choice_of_numbers_takes_a_number():
    assert read(DataConfig, "channels=3").channels == 3


@pytest.mark.parametrize(
    ("cls", "change", "parts"),
    [
        (TrainConfig, "lr=0.1", ("lr", "optimizer.learning_rate", "averaging")),
        (TrainConfig, "optimizer.lr=0.1", ("optimizer.lr", "optimizer.learning_rate", "momentum")),
        (EvaluateConfig, "atacks.a.eps=1", ("atacks", "did you mean attacks", "smoothing")),
        (EvaluateConfig, "attacks.a.epsilon=1", ("attacks.a.epsilon", "attacks.a.eps", "norm")),
        (DrawConfig, "sparsity.x=1", ("sparsity.x", "no fields")),
        (TrainConfig, "averaging=pgd", ("averaging='pgd'", "--config.averaging.FIELD")),
        (TrainConfig, "objective=pgdd", ("'pgdd'", "objective", "'pgd'", "'free'")),
        (TrainConfig, "objective.beta=1", ("objective.beta", "trades or mart")),
        (DrawConfig, "scope", ("--config.scope", "VALUE")),
        (EvaluateConfig, "attacks=None", ("attacks='None'", "--config.attacks.LABEL.FIELD", "{}")),
        (StudyConfig, "ladders=0.5", ("ladders='0.5'", "--config.ladders.LABEL=VALUE")),
        (TrainConfig, "duration=3", ("duration='3'", "160ep", "500it")),
        (TrainConfig, "optimizer.warmup=x", ("optimizer.warmup='x'", "160ep", "500it")),
        (DrawConfig, "pattern=rows", ("pattern='rows'", "channel_linked", "block:AxB", "N:M")),
        (EvaluateConfig, "attacks.a/b.eps=1", ("attacks.a/b", "label", "letters")),
        (DrawConfig, "scope=globl", ("scope='globl'", "global", "uniform", "erk")),
    ],
)
def test_an_error_names_the_field_what_is_close_and_what_is_allowed(cls, change, parts):
    with pytest.raises(InputError) as caught:
        read(cls, change)
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


def test_no_field_is_suggested_that_is_only_a_little_like_the_word():
    with pytest.raises(InputError) as caught:
        read(TrainConfig, "epochs=3")
    assert "did you mean" not in str(caught.value)
    assert "duration" in str(caught.value)


def test_fields_by_label_may_be_given_as_a_whole():
    assert read(EvaluateConfig, "attacks={}").attacks == {}
    assert read(EvaluateConfig, "attacks={'a': {'eps': 0.5}}").attacks == {
        "a": AttackConfig(eps=0.5)
    }


def test_a_file_for_another_verb_is_named_with_what_it_describes():
    with pytest.raises(InputError, match=r"draw/omp .*DrawConfig.*StudyConfig"):
        overrides.from_command_line(StudyConfig, ["--config=draw/omp"])


def test_several_bad_values_are_named_at_once():
    with pytest.raises(InputError) as caught:
        read(TrainConfig, "batch_size=abc", "duration=5", "optimizer.momentum=2")
    assert all(part in str(caught.value) for part in ("'abc'", "duration='5'", "momentum=2"))


@pytest.mark.parametrize("text", ["9" * 5000, "(" * 3000, "2**99999999", "__import__('os')"])
def test_a_hostile_value_is_no_expression(text):
    with pytest.raises(InputError, match="batch_size"):
        read(TrainConfig, f"batch_size={text}")


def test_a_configuration_of_the_package_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("studies/demo", "studies/demo.py", "configs/studies/demo.py"):
        config = overrides.from_command_line(StudyConfig, [f"--config={name}"])
        assert config.name == "demo"


def test_a_configuration_of_the_package_takes_an_argument(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--config=studies/fashion_mnist:small"]
    assert len(overrides.from_command_line(StudyConfig, words).seeds) < 3


def test_a_file_here_comes_before_one_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "demo").write_text("")
    with pytest.raises(InputError, match=r"\.py"):
        overrides.from_command_line(StudyConfig, ["--config=studies/demo"])


def test_a_name_that_is_none_is_named_with_the_close_ones():
    with pytest.raises(InputError, match=r"studies/demo\b.*configs list"):
        overrides.from_command_line(StudyConfig, ["--config=demo"])


@pytest.mark.parametrize("choice", ["optimizer=lars", "optimizer.name=lars"])
@pytest.mark.parametrize("first", [True, False])
def test_a_name_chooses_the_settings_of_a_part_wherever_it_stands(choice, first):
    words = ["optimizer.trust=0.5", "optimizer.momentum=0.8"]
    words = [choice, *words] if first else [*words, choice]
    optimizer = read(TrainConfig, *words).optimizer
    assert (optimizer.name, optimizer.trust, optimizer.momentum) == ("lars", 0.5, 0.8)


def test_another_name_keeps_what_was_set_of_what_both_have():
    words = ("optimizer.warmup=2ep", "optimizer.nesterov=True")
    before = config_files.replace(TrainConfig(), optimizer__warmup="2ep", optimizer__nesterov=True)
    optimizer = overrides.from_command_line(
        TrainConfig, ["--config.optimizer=adamw"], before
    ).optimizer
    assert optimizer == OptimizerConfig(name="adamw", warmup="2ep")
    with pytest.raises(InputError, match="nesterov"):
        read(TrainConfig, "optimizer=adamw", *words)


@pytest.mark.parametrize("choice", ["attacks.mine=fab_t", "attacks.mine.name=fab_t"])
def test_another_attack_than_the_files_has_its_own_fields(choice):
    attack = AttackConfig(norm="l2", eps=0.5, num_steps=20, loss="margin", rule="adam")
    file = EvaluateConfig(attacks={"mine": attack})
    config = read(EvaluateConfig, "attacks.mine.num_targets=3", choice, default=file)
    expected = AttackConfig(name="fab_t", norm="l2", eps=0.5, num_steps=20, num_targets=3)
    assert config.attacks == {"mine": expected}
    for field in ("loss", "num_queries"):
        with pytest.raises(InputError) as caught:
            read(EvaluateConfig, choice, f"attacks.mine.{field}=1", default=file)
        assert f"attacks.mine.{field}" in str(caught.value)
        assert "num_targets" in str(caught.value)


def test_a_field_is_not_suggested_in_its_own_place():
    """Of a task that has it not, while the one that is the default does."""
    default = SearchConfig(data=DataConfig(task=Segmentation(decoder="none")))
    with pytest.raises(InputError) as caught:
        read(SearchConfig, "data.task.name=classification", "data.task.fine=a", default=default)
    assert "set it first" in str(caught.value)
    assert "did you mean data.task.fine" not in str(caught.value)
