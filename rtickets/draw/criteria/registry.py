"""The criteria by name, as configurations choose them."""

from rtickets.draw.criteria.base import CriterionEntry
from rtickets.draw.criteria.gradient import GRASP, SNIP, TAYLOR
from rtickets.draw.criteria.synflow import SYNFLOW
from rtickets.draw.criteria.weights import MAGNITUDE, RANDOM

CRITERIA: dict[str, CriterionEntry] = {
    "magnitude": MAGNITUDE,
    "random": RANDOM,
    "snip": SNIP,
    "grasp": GRASP,
    "synflow": SYNFLOW,
    "taylor": TAYLOR,
}
