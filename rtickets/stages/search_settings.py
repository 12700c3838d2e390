"""Settings of a search in a supernet."""

from dataclasses import field

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.settings import DataConfig
from rtickets.draw.searching.settings import SearchingConfig, check_length, events_in
from rtickets.models.settings import ModelConfig
from rtickets.settings.kinds import STRICT
from rtickets.training.settings import TrainConfig


def _train() -> TrainConfig:
    return TrainConfig(select="last", duration="200ep")


def _model() -> ModelConfig:
    return ModelConfig(arch="supernet_small")


@dataclass(frozen=True, config=STRICT)
class SearchConfig:
    """Training of a supernet in which channels and weights die, and come back.

    Attributes:
        data: the task.
        model: a supernet.
        searching: penalty and events.
        train: the training run, which the events are part of.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=_model)
    searching: SearchingConfig = field(default_factory=SearchingConfig)
    train: TrainConfig = field(default_factory=_train)

    @model_validator(mode="after")
    def _check(self) -> "SearchConfig":
        if self.train.select != "last":
            raise ValueError(
                f"train.select={self.train.select!r}: the ticket is that of the last event; set "
                "train.select='last'"
            )
        if self.train.objective.stops:
            raise ValueError(
                f"train.objective.name={self.train.objective.name!r} may end a run before its last "
                "event; choose another, such as 'pgd' with num_steps=1"
            )
        if self.train.statistics != "batch":
            raise ValueError("train.statistics='frozen' trains no supernet; set 'batch'")
        events = events_in(self.train.duration, self.searching.prune_every, None)
        if events is not None:
            check_length(self.searching, self.train.duration, events)
        return self
