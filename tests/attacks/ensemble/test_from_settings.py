import pytest

from rtickets.attacks import MEMBERS, Member
from rtickets.attacks.ensemble.from_settings import members_of
from rtickets.config import AttackConfig


@pytest.mark.parametrize(
    ("config", "eps", "step"),
    [
        (AttackConfig(eps=0.1, num_steps=5), 0.1, 0.05),
        (AttackConfig(eps=0.1, num_steps=5), 0.2, 0.1),
        (AttackConfig(eps=0.1, num_steps=5, step_size=0.01), 0.2, 0.02),
        (AttackConfig(eps=0.1, num_steps=5), 0.0, 0.0),
        (AttackConfig(eps=0.0, num_steps=5), 0.2, 0.1),
        (AttackConfig(eps=0.0, num_steps=5, step_size=0.01), 0.2, 0.01),
        (AttackConfig(name="fgsm", eps=0.1), 0.2, 0.2),
        (AttackConfig(name="fgsm_rs", eps=0.1), 0.2, 0.25),
        (AttackConfig(name="fgsm_rs", eps=0.1, step_size=0.05), 0.2, 0.1),
    ],
)
def test_the_step_follows_the_radius(config, eps, step):
    (member,) = members_of(config, eps)
    assert member.kind == "pgd"
    assert member.step_size == pytest.approx(step)
    assert member.random_start == (config.name != "fgsm")


@pytest.mark.parametrize(
    ("config", "members"),
    [
        (
            AttackConfig(num_steps=4, restarts=3, loss="margin", rule="adam", step_size=0.1),
            (Member("pgd", 4, 3, step_size=0.1, loss="margin", rule="adam"),),
        ),
        (AttackConfig(name="fgsm"), (Member("pgd", 1, step_size=8 / 255, random_start=False),)),
        (AttackConfig(name="apgd_ce", restarts=2), (Member("apgd_ce", 100, 2),)),
        (AttackConfig(name="apgd_dlr", num_steps=7), (Member("apgd_dlr", 7),)),
        (AttackConfig(name="apgd_t", num_targets=3), (Member("apgd_t", 100, num_targets=3),)),
        (
            AttackConfig(name="pgd_t", num_targets=3, loss="dlr", eps=0.1),
            (Member("pgd_t", 10, num_targets=3, step_size=0.025, loss="dlr"),),
        ),
        (AttackConfig(name="fab", restarts=5), (Member("fab", 100, 5),)),
        (AttackConfig(name="fab_t"), (Member("fab_t", 100, num_targets=9),)),
        (AttackConfig(name="square"), (Member("square", 5000),)),
        (AttackConfig(name="autoattack"), MEMBERS["standard"]),
        (AttackConfig(name="autoattack", version="fast"), MEMBERS["fast"]),
        (AttackConfig(name="autoattack", version="rand", input_noise=0.1), MEMBERS["rand"]),
        (
            AttackConfig(name="autoattack", version="rand", input_noise=0.1, samples=2),
            (Member("apgd_ce", samples=2), Member("apgd_dlr", samples=2)),
        ),
        (
            AttackConfig(name="fgsm", eps=0.1, input_noise=0.1, samples=3),
            (Member("pgd", 1, step_size=0.1, random_start=False, samples=3),),
        ),
    ],
)
def test_every_configuration_stands_for_its_attacks(config, members):
    assert members_of(config, config.eps) == members
