"""Configurations of one training run: attack, objective, optimiser, loop."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.config.attacks import AttackConfig
from rtickets.config.fields import STRICT, Duration, Fraction, NotNegative, Positive, Seed


@dataclass(frozen=True, config=STRICT)
class ObjectiveConfig:
    """What training minimises.

    Attributes:
        name: 'natural' is cross-entropy, 'pgd' cross-entropy on adversarial examples, 'gaussian'
            cross-entropy on images with Gaussian noise.
        attack: the inner maximisation of 'pgd', one of the pgd family; unused by the others.
        sigma: standard deviation of the noise of 'gaussian' in pixel units; unused by the others.
    """

    name: Literal["natural", "pgd", "gaussian"] = "natural"
    attack: AttackConfig = field(default_factory=lambda: AttackConfig(num_steps=7))
    sigma: NotNegative = 0.25

    @model_validator(mode="after")
    def _check(self) -> "ObjectiveConfig":
        attack = self.attack
        if attack.name not in ("pgd", "fgsm", "fgsm_rs") or attack.restarts > 1 or attack.radii:
            raise ValueError(
                f"attack {attack.name!r} with {attack.restarts} restarts and radii={attack.radii} "
                "is not for training; choose 'pgd', 'fgsm' or 'fgsm_rs' without restarts and radii"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """Stochastic gradient descent with momentum and a learning rate schedule.

    Attributes:
        learning_rate: the peak.
        momentum: momentum, 0 for none.
        nesterov: Nesterov's variant.
        weight_decay: L2 penalty, added to the gradient of every trained parameter.
        schedule: 'cosine' to 0, 'multistep' or 'constant'.
        milestones: when 'multistep' multiplies the rate by `decay_factor`.
        decay_factor: see `milestones`.
        warmup: duration of a linear rise from 0.
    """

    learning_rate: NotNegative = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: NotNegative = 5e-4
    schedule: Literal["cosine", "multistep", "constant"] = "cosine"
    milestones: tuple[Duration, ...] = ()
    decay_factor: Fraction = 0.1
    warmup: Duration = "0ep"

    @model_validator(mode="after")
    def _check(self) -> "OptimizerConfig":
        if (self.schedule == "multistep") != bool(self.milestones):
            raise ValueError("schedule='multistep' needs milestones, the others take none")
        return self


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """One training run.

    Attributes:
        objective: what is minimised.
        optimizer: how.
        duration: how long, '160ep' or '500it'.
        batch_size: examples per step, over all devices.
        seed: of weights, data order, augmentation, attacks and few-shot subset.
        statistics: normalisation layers use and update 'batch' statistics, or keep 'frozen' ones.
        select: return the 'best' weights on the validation split or the 'last'.
        validate_every: how often validation runs.
        checkpoint_every: how often the whole state is saved; '0ep' only when the run is preempted.
        keep_checkpoints: how many of the newest checkpoints to keep until the stage is complete.
        keep_best_checkpoints: how many of those with the best validation accuracy to keep besides,
            also when the stage is complete.
        steps_per_dispatch: steps per call of the device; None is 1 on CPU and 50 elsewhere.
    """

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    duration: Duration = "30ep"
    batch_size: Positive = 128
    seed: Seed = 0
    statistics: Literal["batch", "frozen"] = "batch"
    select: Literal["best", "last"] = "best"
    validate_every: Duration = "1ep"
    checkpoint_every: Duration = "1ep"
    keep_checkpoints: Positive = 2
    keep_best_checkpoints: Annotated[int, Field(ge=0)] = 0
    steps_per_dispatch: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if int(self.duration[:-2]) == 0:
            raise ValueError(f"duration={self.duration!r} trains nothing; give at least '1it'")
        if self.select == "best" and int(self.validate_every[:-2]) == 0:
            raise ValueError("select='best' needs validate_every, for instance '1ep'")
        if self.keep_best_checkpoints and int(self.validate_every[:-2]) == 0:
            raise ValueError("keep_best_checkpoints needs validate_every, for instance '1ep'")
        return self
