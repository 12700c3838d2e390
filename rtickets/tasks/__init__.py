"""What a network is asked to do and how that is judged: one file a task, see `tasks.base`."""

from rtickets.tasks.arrays import ArrayTask
from rtickets.tasks.base import Batch, Headline, Measured, Sums, Task
from rtickets.tasks.classification import Classification
from rtickets.tasks.detection import Detection
from rtickets.tasks.images import ImageTask
from rtickets.tasks.keypoints import Keypoints
from rtickets.tasks.masked_tokens import MaskedTokens
from rtickets.tasks.moco import Moco
from rtickets.tasks.question_answering import QuestionAnswering
from rtickets.tasks.registry import TASKS, task_of
from rtickets.tasks.restoration import Restoration
from rtickets.tasks.segmentation import Segmentation
from rtickets.tasks.simclr import SimClr
from rtickets.tasks.text_classification import TextClassification
from rtickets.tasks.text_regression import TextRegression
from rtickets.tasks.token_classification import TokenClassification

__all__ = [
    "TASKS",
    "ArrayTask",
    "Batch",
    "Classification",
    "Detection",
    "Headline",
    "ImageTask",
    "Keypoints",
    "MaskedTokens",
    "Measured",
    "Moco",
    "QuestionAnswering",
    "Restoration",
    "Segmentation",
    "SimClr",
    "Sums",
    "Task",
    "TextClassification",
    "TextRegression",
    "TokenClassification",
    "task_of",
]
