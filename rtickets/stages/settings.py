"""Settings of the stages that train: pretraining and transfer."""

from dataclasses import field
from typing import Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.settings import DataConfig
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
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
        recalibrate: before training, estimate these statistics anew without labels, see
            `rtickets.evaluation.recalibration`; it needs train.statistics='frozen', as otherwise
            training replaces them. None leaves them as they are.
        normalization: pixel statistics of the 'source' task or of the 'target' task.
        train: the training run.
    """

    ticket: str | None = None
    data: DataConfig = field(default_factory=lambda: DataConfig(source="mnist5k"))
    mode: Literal["finetune", "linear"] = "finetune"
    normalization: Literal["source", "target"] = "source"
    recalibrate: TransferRecalibrateConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)

    @property
    def moves(self) -> str:
        """What of the ticket changes, in words for results and reports."""
        return moves(self.mode, self.train.statistics, self.recalibrate)

    @model_validator(mode="after")
    def _check(self) -> "TransferConfig":
        if self.recalibrate is not None and self.train.statistics != "frozen":
            raise ValueError(
                f"recalibrate with train.statistics={self.train.statistics!r}: training would "
                "replace what was estimated; set train.statistics='frozen', or leave it out"
            )
        on_source = self.recalibrate is not None and self.recalibrate.on == "source"
        if on_source and self.normalization != "source":
            raise ValueError(
                f"recalibrate.on='source' with normalization={self.normalization!r} would show the "
                "network source images under pixel statistics of the target; choose one for both"
            )
        return self


def moves(mode: str, statistics: str, recalibrate: TransferRecalibrateConfig | None = None) -> str:
    """Say what a transfer changes of a ticket, in words that stand alone.

    Args:
        mode: 'finetune' or 'linear'.
        statistics: of normalisation, 'batch' or 'frozen'.
        recalibrate: how statistics that are then frozen were estimated, None where they were not.
    """
    weights = "the head alone of all weights" if mode == "linear" else "every surviving weight"
    if recalibrate is not None:
        return (
            f"{weights}, and normalisation statistics, estimated before on {recalibrate.words}, of "
            f"the {recalibrate.on}"
        )
    if statistics == "frozen":
        return f"{weights}; normalisation statistics stay the ticket's"
    return (
        f"{weights}, and normalisation statistics (the mean and variance of every such layer), "
        "re-estimated on the target's training images"
    )
