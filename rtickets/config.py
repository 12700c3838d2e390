"""Typed configurations: frozen dataclasses, checked as a whole before anything runs.

Durations are strings such as '160ep' (epochs) or '500it' (steps); '0ep' means never. Radii and
steps of attacks are in pixel units of images in [0, 1].
"""

from rtickets.attacks.settings import AttackConfig
from rtickets.data.settings import DataConfig
from rtickets.data.task_settings import TaskConfig
from rtickets.data.text.settings import TextConfig
from rtickets.draw.searching.settings import SearchingConfig
from rtickets.evaluation.measures.base import MeasureConfig
from rtickets.evaluation.recalibration import RecalibrateConfig, TransferRecalibrateConfig
from rtickets.evaluation.settings import EvaluateConfig, SmoothingConfig
from rtickets.masks.gates import GateConfig
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.settings import ModelConfig
from rtickets.restoration.restore_settings import RestoreConfig
from rtickets.restoration.study_settings import RestorationStudyConfig
from rtickets.settings.kinds import to_steps
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.pipelines.settings import PipelineConfig, PipelineStudyConfig
from rtickets.stages.search_settings import SearchConfig
from rtickets.stages.settings import PretrainConfig, TransferConfig, moves
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.ways.base import WayConfig
from rtickets.stages.ways.imp import Imp as ImpConfig
from rtickets.stages.ways.lmp import Lmp as LmpConfig
from rtickets.training.objectives import ObjectiveConfig
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.settings import AveragingConfig, TrainConfig

__all__ = [
    "AttackConfig",
    "AveragingConfig",
    "DataConfig",
    "DrawConfig",
    "EncoderConfig",
    "EvaluateConfig",
    "GateConfig",
    "ImpConfig",
    "LmpConfig",
    "MeasureConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "ObserveConfig",
    "OptimizerConfig",
    "PipelineConfig",
    "PipelineStudyConfig",
    "PretrainConfig",
    "RecalibrateConfig",
    "RestorationStudyConfig",
    "RestoreConfig",
    "SearchConfig",
    "SearchingConfig",
    "SmoothingConfig",
    "StudyConfig",
    "TaskConfig",
    "TextConfig",
    "TrainConfig",
    "TransferConfig",
    "TransferRecalibrateConfig",
    "WayConfig",
    "moves",
    "to_steps",
]
