"""Trackers: where curves, settings, pictures and tickets go beside the run folders."""

from rtickets.training.observe.trackers.opened import check_trackers, open_trackers
from rtickets.training.observe.trackers.published import publish
from rtickets.training.observe.trackers.registry import TRACKERS
from rtickets.training.observe.trackers.tracker import Kind, Outcome, Tracker

__all__ = [
    "TRACKERS",
    "Kind",
    "Outcome",
    "Tracker",
    "check_trackers",
    "open_trackers",
    "publish",
]
