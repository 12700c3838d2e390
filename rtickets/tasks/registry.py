"""The tasks by name, as configurations choose them; the default first."""

from typing import cast

from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import source_of
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks.base import Task
from rtickets.tasks.classification import Classification
from rtickets.tasks.detection import Detection
from rtickets.tasks.keypoints import Keypoints
from rtickets.tasks.masked_tokens import MaskedTokens
from rtickets.tasks.moco import Moco
from rtickets.tasks.question_answering import QuestionAnswering
from rtickets.tasks.restoration import Restoration
from rtickets.tasks.segmentation import Segmentation
from rtickets.tasks.simclr import SimClr
from rtickets.tasks.text_classification import TextClassification
from rtickets.tasks.text_regression import TextRegression
from rtickets.tasks.token_classification import TokenClassification

TASKS: dict[str, type[TaskConfig]] = TaskConfig.entries
TASKS |= {
    "classification": Classification, "detection": Detection, "segmentation": Segmentation,
    "keypoints": Keypoints,
    "simclr": SimClr, "moco": Moco, "restoration": Restoration,
    "masked_tokens": MaskedTokens, "text_classification": TextClassification,
    "text_regression": TextRegression, "token_classification": TokenClassification,
    "question_answering": QuestionAnswering,
}  # fmt: skip


def task_of(config: DataConfig) -> Task:
    """Return the task that a configuration names, else that of the source, else to classify.

    Raises:
        InputError: if the source is unknown, or its task is not in the registry, so that a ticket
            could not name it.
    """
    source = source_of(config)
    found = config.task or source.task or Classification(metric=source.metric)
    whole = TASKS.get(found.name)
    if found is source.task and whole is not None and issubclass(whole, type(found)):
        found = whole(**config_files.to_dict(found))  # the source knew the settings alone
    if TASKS.get(found.name) is not type(found):
        kind = type(found).__name__
        raise InputError(
            f"source={config.source!r} asks the task {kind}, called {found.name!r}, which is not "
            f"registered under that name; add rtickets.tasks.TASKS[{found.name!r}] = {kind}"
        )
    return cast(Task, found.bound(config))
