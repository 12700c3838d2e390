"""Stages by name, which is that of their verb and folders; `rtickets.cli.stages` has their help."""

from rtickets.costs import Estimate, Setting
from rtickets.errors import InputError
from rtickets.stages.draw import STAGE as DRAW
from rtickets.stages.evaluate import STAGE as EVALUATE
from rtickets.stages.pipelines.costs import estimate_pipelines
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.stages.pretrain import STAGE as PRETRAIN
from rtickets.stages.search import STAGE as SEARCH
from rtickets.stages.stage import Stage
from rtickets.stages.study_costs import estimate_study
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.transfer import STAGE as TRANSFER

STAGES: dict[str, Stage] = {
    "pretrain": PRETRAIN,
    "draw": DRAW,
    "search": SEARCH,
    "transfer": TRANSFER,
    "evaluate": EVALUATE,
}


def estimate(config: object, setting: Setting) -> list[Estimate]:
    """Estimate a stage or a study, one estimate per kind of run, see `Stage.estimate`.

    Raises:
        InputError: also for what configures no stage.
    """
    if type(config) is StudyConfig:
        return estimate_study(config, setting)
    if type(config) is PipelineStudyConfig:
        return estimate_pipelines(config, setting)
    for stage in STAGES.values():
        if type(config) is stage.config:  # a subclass may be the configuration of another stage
            return stage.estimate(config, setting)
    known = [stage.config.__name__ for stage in STAGES.values()]
    raise InputError(
        f"{type(config).__name__} configures no stage; give one of {', '.join(known)}, StudyConfig"
    )
