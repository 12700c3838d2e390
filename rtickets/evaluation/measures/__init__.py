"""What else is measured of a network: one file a measure, see `measures.base`."""

from rtickets.evaluation.measures.base import Asked, MeasureConfig, mean_of
from rtickets.evaluation.measures.registry import MEASURES

__all__ = ["MEASURES", "Asked", "MeasureConfig", "mean_of"]
