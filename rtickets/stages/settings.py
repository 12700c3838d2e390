"""Settings of the stages that train: pretraining and transfer."""

from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

from rtickets.data.settings import DataConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings.kinds import STRICT
from rtickets.training.settings import TrainConfig


@dataclass(frozen=True, config=STRICT)
class PretrainConfig:
    """Training of a dense network on the source task."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, config=STRICT)
class TransferConfig:
    """Training of a ticket on a downstream task, under a fresh head.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the downstream task.
        mode: 'finetune' trains every surviving weight, 'linear' the head alone of all weights.
            Under either, the mean and variance of every normalisation layer are re-estimated on the
            target's training images, unless train.statistics='frozen': see `moves`.
        normalization: pixel statistics of the 'source' task or of the 'target' task.
        train: the training run.
    """

    ticket: str | None = None
    data: DataConfig = field(default_factory=lambda: DataConfig(source="mnist5k"))
    mode: Literal["finetune", "linear"] = "finetune"
    normalization: Literal["source", "target"] = "source"
    train: TrainConfig = field(default_factory=TrainConfig)

    @property
    def moves(self) -> str:
        """What of the ticket changes, in words for results and reports."""
        return moves(self.mode, self.train.statistics)


def moves(mode: str, statistics: str) -> str:
    """Say what a transfer of a mode changes of a ticket, in words that stand alone."""
    weights = "the head alone of all weights" if mode == "linear" else "every surviving weight"
    if statistics == "frozen":
        return f"{weights}; normalisation statistics stay the ticket's"
    return (
        f"{weights}, and normalisation statistics (the mean and variance of every such layer), "
        "re-estimated on the target's training images"
    )
