"""Measurements of a network on a split."""

from rtickets.evaluation.accuracy import Accuracy, top1
from rtickets.evaluation.predict import Examples, Network, on_devices, predict

__all__ = ["Accuracy", "Examples", "Network", "on_devices", "predict", "top1"]
