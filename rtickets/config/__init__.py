"""Typed configurations: frozen dataclasses, checked as a whole before anything runs.

Durations are strings such as '160ep' (epochs) or '500it' (steps); '0ep' means never. Radii and
steps of attacks are in pixel units of images in [0, 1].
"""

from rtickets.config.attacks import AttackConfig, SmoothingConfig
from rtickets.config.draw import DrawConfig, ImpConfig, LmpConfig
from rtickets.config.fields import to_steps
from rtickets.config.observe import ObserveConfig
from rtickets.config.stages import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    PretrainConfig,
    TransferConfig,
    moves,
)
from rtickets.config.study import StudyConfig
from rtickets.config.training import (
    AveragingConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)

__all__ = [
    "AttackConfig",
    "AveragingConfig",
    "DataConfig",
    "DrawConfig",
    "EvaluateConfig",
    "ImpConfig",
    "LmpConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "ObserveConfig",
    "OptimizerConfig",
    "PretrainConfig",
    "SmoothingConfig",
    "StudyConfig",
    "TrainConfig",
    "TransferConfig",
    "moves",
    "to_steps",
]
