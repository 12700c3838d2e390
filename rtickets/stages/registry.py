"""Stages by name, which is that of their verb and folders; `rtickets.cli.stages` has their help."""

from rtickets.costs import Estimate, Setting
from rtickets.stages.draw import STAGE as DRAW
from rtickets.stages.evaluate import STAGE as EVALUATE
from rtickets.stages.pretrain import STAGE as PRETRAIN
from rtickets.stages.stage import Stage
from rtickets.stages.study_costs import estimate_study
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.transfer import STAGE as TRANSFER

STAGES: dict[str, Stage] = {
    "pretrain": PRETRAIN,
    "draw": DRAW,
    "transfer": TRANSFER,
    "evaluate": EVALUATE,
}


def estimate(config: object, setting: Setting) -> list[Estimate]:
    """Estimate a stage or a study, one estimate per kind of run, see `Stage.estimate`."""
    if isinstance(config, StudyConfig):
        return estimate_study(config, setting)
    (stage,) = (stage for stage in STAGES.values() if isinstance(config, stage.config))
    return stage.estimate(config, setting)
