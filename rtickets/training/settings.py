"""Settings of one training run: its loop and averaging; objectives and optimisers are families."""

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.settings import AttackConfig
from rtickets.settings.kinds import STRICT, Duration, Positive, Seed, is_never
from rtickets.training.objectives import ObjectiveConfig
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.optimizers import OptimizerConfig


@dataclass(frozen=True, config=STRICT)
class AveragingConfig:
    """An exponential moving average of the trained weights and the normalisation statistics.

    With a decay above 0 the averaged network is what is validated, selected and returned.

    Attributes:
        decay: what an average keeps of itself at every step; 0 is no averaging.
        warmup: after n steps the decay is at most (1 + n) / (10 + n), so that the initial weights
            are soon forgotten.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    warmup: bool = True


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """One training run.

    Attributes:
        objective: what is minimised.
        optimizer: how.
        averaging: of the weights.
        duration: how long, '160ep' or '500it'.
        batch_size: examples per step, over all devices.
        accumulate: micro-batches that a step's batch is split into, one after the other, to save
            memory. Gradients are added up, so nothing else changes where statistics are frozen;
            batch statistics are those of the micro-batch, and update the running ones one after
            the other. Devices share every micro-batch: their number changes nothing. Tasks that
            average over tokens or words average over those of each micro-batch.
        seed: of weights, data order, augmentation, attacks and few-shot subset.
        statistics: normalisation layers use 'batch' statistics in training and re-estimate their
            mean and variance from them, whatever weights are trained, or keep 'frozen' ones.
        sync_statistics: batch statistics are those of the batch over all devices; otherwise each
            device normalises by its own part, which makes the result depend on their number, and
            running statistics are averaged.
        select: return the 'best' weights on the validation split or the 'last'. Validation is under
            the objective's attack if it has one; 'best_clean' goes by clean inputs there too.
        validate_every: how often validation runs.
        checkpoint_every: how often the whole state is saved; '0ep' only when the run is preempted.
        keep_checkpoints: how many of the newest checkpoints to keep until the stage is complete.
        keep_best_checkpoints: how many of those with the best validation to keep besides,
            also when the stage is complete.
        steps_per_dispatch: steps per call of the device; None is 1 on CPU and 50 elsewhere.
        observe: what is written beside the results.
    """

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    duration: Duration = "30ep"
    batch_size: Positive = 128
    accumulate: Positive = 1
    seed: Seed = 0
    statistics: Literal["batch", "frozen"] = "batch"
    sync_statistics: bool = True
    select: Literal["best", "best_clean", "last"] = "best"
    validate_every: Duration = "1ep"
    checkpoint_every: Duration = "1ep"
    keep_checkpoints: Positive = 2
    keep_best_checkpoints: Annotated[int, Field(ge=0)] = 0
    steps_per_dispatch: Positive | None = None
    observe: ObserveConfig = field(default_factory=ObserveConfig)

    @property
    def validation_attack(self) -> AttackConfig | None:
        """The attack that validation is under, None for clean inputs."""
        return None if self.select == "best_clean" else self.objective.validation_attack

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        problems = list(self.objective.conflicts(self))
        if is_never(self.duration):
            problems.append(f"duration={self.duration!r} trains nothing; give at least '1it'")
        if self.select != "last" and is_never(self.validate_every):
            problems.append(f"select={self.select!r} needs validate_every, for instance '1ep'")
        problems += self._against_clean_choice()
        if self.keep_best_checkpoints and is_never(self.validate_every):
            problems.append("keep_best_checkpoints needs validate_every, for instance '1ep'")
        if self.batch_size % self.accumulate:
            problems.append(
                f"batch_size={self.batch_size} does not divide into accumulate={self.accumulate} "
                "micro-batches"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _against_clean_choice(self) -> Iterator[str]:
        """Yield why weights cannot be chosen by clean inputs."""
        if self.select != "best_clean":
            return
        if self.objective.validation_attack is None:
            yield (
                f"select='best_clean' is 'best' for objective {self.objective.name!r}, which is "
                "validated on clean inputs; set that"
            )
        if self.objective.stops:
            yield (
                f"select='best_clean' would hide from objective {self.objective.name!r} the "
                "validation under attack that it stops by; set 'best'"
            )
