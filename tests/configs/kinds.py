"""What the configurations of the repository are of, by the folder they lie in."""

from rtickets.config import (
    DrawConfig,
    EvaluateConfig,
    PretrainConfig,
    SearchConfig,
    StudyConfig,
    TransferConfig,
)

KINDS = {
    "pretrain": PretrainConfig,
    "draw": DrawConfig,
    "transfer": TransferConfig,
    "evaluate": EvaluateConfig,
    "studies": StudyConfig,
    "supernet": SearchConfig,
}
