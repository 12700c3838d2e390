"""Adversarial attacks: pure functions from images to images in a ball around them."""

from rtickets.attacks import honesty
from rtickets.attacks.ensemble.autoattack import (
    MEMBERS,
    WorstCase,
    autoattack,
    autoattack_members,
    worst_case,
)
from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.fgsm import fgsm, fgsm_rs
from rtickets.attacks.functions import apgd_ce, apgd_dlr, apgd_t, fab_t, square
from rtickets.attacks.inputs import example_keys
from rtickets.attacks.pgd import pgd
from rtickets.attacks.projections import Norm, project, uniform_in_ball, unit_direction
from rtickets.attacks.registry import ATTACKS
from rtickets.attacks.search import LogitsFn
from rtickets.attacks.settings import AttackConfig

__all__ = [
    "ATTACKS",
    "MEMBERS",
    "AttackConfig",
    "LogitsFn",
    "Member",
    "Norm",
    "WorstCase",
    "apgd_ce",
    "apgd_dlr",
    "apgd_t",
    "autoattack",
    "autoattack_members",
    "example_keys",
    "fab_t",
    "fgsm",
    "fgsm_rs",
    "honesty",
    "pgd",
    "project",
    "square",
    "uniform_in_ball",
    "unit_direction",
    "worst_case",
]
