"""The stages: pretrain, draw, transfer and evaluate, each leaving one folder behind."""

from rtickets.stages.draw import draw
from rtickets.stages.evaluate import evaluate
from rtickets.stages.pretrain import pretrain
from rtickets.stages.transfer import transfer

__all__ = ["draw", "evaluate", "pretrain", "transfer"]
