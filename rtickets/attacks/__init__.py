"""Adversarial attacks: pure functions from images to images in a ball around them."""

from rtickets.attacks.pgd import LogitsFn, example_keys, pgd
from rtickets.attacks.projections import Norm, project, uniform_in_ball, unit_direction

__all__ = [
    "LogitsFn",
    "Norm",
    "example_keys",
    "pgd",
    "project",
    "uniform_in_ball",
    "unit_direction",
]
