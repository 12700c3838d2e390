"""Measurements of a network on a split."""

from rtickets.evaluation.evaluate import evaluate_network
from rtickets.evaluation.judging import judge
from rtickets.evaluation.predict import Examples, Network, on_devices, predict
from rtickets.evaluation.robustness import measure_robustness
from rtickets.evaluation.subject import make_subject
from rtickets.tasks.accuracy import Accuracy, is_correct, measure, share

__all__ = [
    "Accuracy",
    "Examples",
    "Network",
    "evaluate_network",
    "is_correct",
    "judge",
    "make_subject",
    "measure",
    "measure_robustness",
    "on_devices",
    "predict",
    "share",
]
