"""Learnt masks: scores of groups of frozen weights, turned into gates at every step.

What a gate is stands in `rtickets.masks.gates.base`, how it sits on a network in
`rtickets.masks.gates.network`.
"""

from rtickets.masks.gates.base import Gate, GateConfig, Layers, Scores
from rtickets.masks.gates.bernoulli import Bernoulli
from rtickets.masks.gates.network import (
    SCORES,
    LearnedMask,
    apply_gates,
    gates_of,
    initial_scores,
    living_groups,
    mask_of,
    penalty_of,
    ranked_scores,
)
from rtickets.masks.gates.registry import GATES
from rtickets.masks.gates.top_scores import TopScores

__all__ = [
    "GATES",
    "SCORES",
    "Bernoulli",
    "Gate",
    "GateConfig",
    "Layers",
    "LearnedMask",
    "Scores",
    "TopScores",
    "apply_gates",
    "gates_of",
    "initial_scores",
    "living_groups",
    "mask_of",
    "penalty_of",
    "ranked_scores",
]
