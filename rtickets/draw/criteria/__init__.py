"""Scores: how much each weight of a network matters; the smallest die first.

`magnitude`, `random` and `synflow` need no data; `snip`, `taylor` and `grasp` do. All return arrays
by path, which `rtickets.draw.draw_omp(params, sparsity, scores=...)` takes. What depends on the
whole network takes the mask of one that is pruned already.
"""

from rtickets.draw.criteria.base import CriterionEntry, ScoredNetwork, scored_on_data
from rtickets.draw.criteria.gradient import grasp, snip, taylor
from rtickets.draw.criteria.losses import GRASP_TEMPERATURE, adversarial, cross_entropy
from rtickets.draw.criteria.registry import CRITERIA
from rtickets.draw.criteria.synflow import synflow, unit_statistics
from rtickets.draw.criteria.weights import Criterion, Leaves, Scores, magnitude, random
from rtickets.masks.prunable import prunable_leaves

__all__ = [
    "CRITERIA",
    "GRASP_TEMPERATURE",
    "Criterion",
    "CriterionEntry",
    "Leaves",
    "ScoredNetwork",
    "Scores",
    "adversarial",
    "cross_entropy",
    "grasp",
    "magnitude",
    "prunable_leaves",
    "random",
    "scored_on_data",
    "snip",
    "synflow",
    "taylor",
    "unit_statistics",
]
