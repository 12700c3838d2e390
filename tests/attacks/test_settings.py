import dataclasses

import pytest

from rtickets.attacks import ATTACKS
from rtickets.config import AttackConfig, EvaluateConfig, ObjectiveConfig
from rtickets.errors import InputError
from rtickets.settings import config_files


@pytest.mark.parametrize(
    ("config", "steps", "step"),
    [
        (AttackConfig(eps=0.1), 10, 0.025),
        (AttackConfig(eps=0.1, num_steps=5), 5, 0.05),  # Madry et al. 2018
        (AttackConfig(eps=0.1, num_steps=5, step_size=0.01), 5, 0.01),
        (AttackConfig(name="fgsm", eps=0.1), 1, 0.1),
        (AttackConfig(name="fgsm_rs", eps=0.1), 1, 0.125),  # Wong et al. 2020
        (AttackConfig(name="fgsm_rs", eps=0.1, step_size=0.1), 1, 0.1),
        (AttackConfig(name="apgd_ce"), 100, None),
        (AttackConfig(name="fab_t", num_steps=7), 7, None),
        (AttackConfig(name="square"), 5000, None),
    ],
)
def test_steps_have_the_published_defaults(config, steps, step):
    assert config.steps == steps
    if step is not None:
        assert config.step == pytest.approx(step)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            AttackConfig(eps=0.1, num_steps=5, norm="l2", loss="dlr", rule="adam"),
            {"step_size": 0.05, "num_steps": 5, "norm": "l2", "loss": "dlr", "rule": "adam"},
        ),
        (
            AttackConfig(name="fgsm", eps=0.1),
            {"step_size": 0.1, "num_steps": 1, "random_start": False},
        ),
        (AttackConfig(name="fgsm_rs", eps=0.1), {"step_size": 0.125, "num_steps": 1}),
    ],
)
def test_the_pgd_family_is_one_attack(config, expected):
    usual = {"norm": "linf", "random_start": True, "loss": "ce", "rule": "steepest", "best": False}
    usual |= {"eps": 0.1}
    assert config.as_pgd() == pytest.approx(usual | expected)


def test_other_attacks_are_never_taken_for_pgd():
    with pytest.raises(InputError, match=r"'square' .*training"):
        AttackConfig(name="square").as_pgd()


FIELDS = {
    "num_steps": 3,
    "step_size": 0.1,
    "random_start": False,
    "loss": "margin",
    "rule": "adam",
    "best": True,
    "restarts": 2,
    "num_targets": 3,
    "version": "plus",
    "input_noise": 0.1,
}
PGD_T = {"num_steps", "step_size", "random_start", "loss", "rule", "restarts", "input_noise"}
USED = {
    "pgd": PGD_T | {"best"},
    "pgd_t": PGD_T | {"num_targets"},
    "fgsm": {"input_noise"},
    "fgsm_rs": {"step_size", "restarts", "input_noise"},
    "apgd_ce": {"num_steps", "restarts", "input_noise"},
    "apgd_dlr": {"num_steps", "restarts", "input_noise"},
    "apgd_t": {"num_steps", "restarts", "num_targets", "input_noise"},
    "fab": {"num_steps", "restarts"},
    "fab_t": {"num_steps", "restarts", "num_targets"},
    "square": {"num_steps", "restarts"},
    "autoattack": {"version"},
}


@pytest.mark.parametrize("name", USED)
def test_fields_that_an_attack_does_not_use_are_refused_by_name(name):
    assert set(FIELDS) | {"name", "norm", "eps", "radii", "samples", "rescale"} == {
        field.name for entry in ATTACKS.values() for field in dataclasses.fields(entry)
    }
    for field, value in FIELDS.items():
        if (name, field) == ("autoattack", "input_noise"):
            continue  # of one version alone, see below
        if field in USED[name]:
            assert getattr(AttackConfig(name=name, **{field: value}), field) == value
            continue
        with pytest.raises(InputError, match=f"'{name}' .*{field}") as caught:
            config_files.parse(AttackConfig, {"name": name, field: value})
        assert "\n" not in str(caught.value)
    AttackConfig(name=name, norm="l1", eps=2.0, radii=(0.0, 1.0))


def test_runs_that_would_all_be_alike_are_refused():
    with pytest.raises(ValueError, match=r"restarts=3 .*random_start"):
        AttackConfig(restarts=3, random_start=False)


def test_random_networks_have_their_version_of_autoattack_and_fixed_ones_the_others():
    for version, noise in (("rand", 0.0), ("standard", 0.1), ("plus", 0.1), ("fast", 0.1)):
        with pytest.raises(ValueError, match=r"'rand' .*random networks"):
            AttackConfig(name="autoattack", version=version, input_noise=noise)
    random = AttackConfig(name="autoattack", version="rand", input_noise=0.1, samples=5)
    assert (random.samples, AttackConfig().samples) == (5, 20)  # Croce & Hein 2020 take 20
    with pytest.raises(ValueError, match=r"samples=5 .*input_noise"):
        AttackConfig(samples=5)


@pytest.mark.parametrize(
    "attack",
    [
        AttackConfig(name="apgd_ce"),
        AttackConfig(name="square"),
        AttackConfig(name="pgd_t"),
        AttackConfig(restarts=2),
        AttackConfig(radii=(0.1,)),
        AttackConfig(input_noise=0.1),
    ],
    ids=["apgd", "square", "targeted", "restarts", "radii", "noise"],
)
def test_training_takes_the_pgd_family_alone(attack):
    with pytest.raises(ValueError, match=r"not for training; .*'pgd', 'fgsm' or 'fgsm_rs'"):
        ObjectiveConfig(name="pgd", attack=attack)
    for name in ("fgsm", "fgsm_rs"):
        assert ObjectiveConfig(name="pgd", attack=AttackConfig(name=name)).attack.steps == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("sigma", 0.0), ("sigma", float("inf")), ("alpha", 1.0), ("samples", 0), ("radii", (-0.1,))],
)
def test_smoothing_that_cannot_be_is_refused(field, value):
    with pytest.raises(InputError, match=field):
        config_files.parse(EvaluateConfig, {"smoothing": {field: value}})
