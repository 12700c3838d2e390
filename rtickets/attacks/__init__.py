"""Adversarial attacks: pure functions from images to images in a ball around them.

All of them take (logits_fn, x, y, key, *, eps, norm) and mean the same by them:

    logits_fn  a model, see `rtickets.attacks.models.LogitsFn`; with `samples` > 0 a random one
    x          floats (B, ...) in [0, 1]: images, or vectors or sequences where no shape is named
    y          integer labels (B,)
    key        one PRNG key, or a seed, or one key per example, see `example_keys`
    eps        radius in pixel units of the norm, 'linf', 'l2' or 'l1'; a scalar or (B,)
    samples    draws of a random model that gradients and losses are averaged over; 0 for a model
               that takes no key

and return a float32 array like x in the ball and in [0, 1]. An example's result depends neither on
the rest of its batch nor on how the batch is split. `InputError` names images outside [0, 1],
labels that the model does not know, logits that are not finite and settings that cannot be meant.
"""

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
