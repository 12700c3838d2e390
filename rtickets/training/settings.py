"""Settings of one training run: objective, averaging, loop."""

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.lengths import why_not_noise
from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.attacks.settings import AttackConfig
from rtickets.settings.kinds import STRICT, Duration, Fraction, NotNegative, Positive, Seed
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.optimizers import OptimizerConfig

_ATTACKED = ("pgd", "fast", "trades", "mart")  # by an inner maximisation
_USERS = {
    "beta": ("trades", "mart"),
    "replays": ("free",),
    "collapse": ("fast",),
    "check_steps": ("fast", "free"),
    "attack_statistics": _ATTACKED,
}
_ONE_ATTACK = {"fast": "fgsm_rs", "free": "fgsm", "trades": "pgd"}


@dataclass(frozen=True, config=STRICT)
class ObjectiveConfig:
    """What training minimises.

    Attributes:
        name: 'natural' is cross-entropy, 'pgd' cross-entropy on adversarial examples, 'gaussian'
            cross-entropy on images with Gaussian noise; 'fast' is 'pgd' with one step from a random
            start that stops when it collapses (Wong et al. 2020), 'free' replays batches (Shafahi
            et al. 2019), 'trades' (Zhang et al. 2019), 'mart' (Wang et al. 2020).
        attack: the inner maximisation, one of the pgd family: 'fgsm_rs' for 'fast', 'fgsm' for
            'free', 'pgd' for 'trades'; unused by 'natural' and 'gaussian'.
        sigma: standard deviation of the noise of 'gaussian' in pixel units; unused by the others.
        label_smoothing: part of the cross-entropy's target that is spread evenly over all classes.
        beta: weight of the divergence of 'trades' and 'mart'; None is 6 and 5, as published.
        replays: steps that 'free' takes on a batch in a row; a run of any duration takes as many
            steps as the others, so it sees 1 / replays of their batches.
        collapse: 'fast' stops when validation accuracy under PGD falls by more than this from one
            validation to the next, and returns weights from before.
        check_steps: steps of the PGD attack, with the norm and radius of `attack`, that validation
            accuracy of 'fast' and 'free' is measured under.
        attack_statistics: while attacking, normalisation uses 'frozen' running statistics, those of
            the attacked 'batch', or these and folds them into the running ones
            ('batch_and_update').
    """

    name: Literal["natural", "pgd", "fast", "free", "trades", "mart", "gaussian"] = "natural"
    attack: AttackConfig = field(default_factory=lambda: PgdSettings(num_steps=7))
    sigma: NotNegative = 0.25
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    beta: NotNegative | None = None
    replays: Positive = 4
    collapse: Fraction = 0.2
    check_steps: Positive = 10
    attack_statistics: Literal["frozen", "batch", "batch_and_update"] = "frozen"

    @property
    def kl_weight(self) -> float:
        """The weight of the divergence of 'trades' and 'mart'."""
        if self.beta is not None:
            return self.beta
        return 6.0 if self.name == "trades" else 5.0

    @property
    def batch_replays(self) -> int:
        """The number of steps in a row that see the same batch."""
        return self.replays if self.name == "free" else 1

    @property
    def validation_attack(self) -> AttackConfig | None:
        """The attack that validation accuracy is measured under, None for clean accuracy."""
        if self.name in ("natural", "gaussian"):
            return None
        if self.name in ("fast", "free"):  # one step is no measure of what one step trains
            return PgdSettings(
                norm=self.attack.norm, eps=self.attack.eps, num_steps=self.check_steps
            )
        return self.attack

    def check_lengths(self, shape: Sequence[int]) -> None:
        """Check the attack's radius and step where the shape of images is known.

        Args:
            shape: (H, W, C).

        Raises:
            InputError: for lengths that are certainly mistakes.
        """
        if self.name not in ("natural", "gaussian"):
            self.attack.check_lengths(f"objective {self.name!r}", shape)

    @model_validator(mode="after")
    def _check(self) -> "ObjectiveConfig":
        problems = [*self._attack_problems(), *filter(None, [why_not_noise(self.sigma)])]
        unused = [
            name
            for name, users in _USERS.items()
            if self.name not in users and getattr(self, name) != getattr(ObjectiveConfig, name)
        ]
        if unused:
            names = ", ".join(unused)
            problems.append(f"objective {self.name!r} does not use {names}; leave it out")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _attack_problems(self) -> Iterator[str]:
        attack, wanted = self.attack, _ONE_ATTACK.get(self.name)
        if why := attack.why_not_for_training:
            yield why
        if wanted is not None and attack.name != wanted:
            yield (
                f"objective {self.name!r} attacks by {wanted!r}, not {attack.name!r}; set "
                f"attack.name={wanted!r}"
            )
        if self.name == "free" and attack.norm == "l1":
            yield "objective 'free' takes attack.norm 'linf' or 'l2', not 'l1'"
        if self.name == "trades":
            for name in ("random_start", "loss", "rule", "best"):
                if getattr(attack, name, None) != getattr(type(attack), name, None):
                    yield f"objective 'trades' does not use attack.{name}; leave it out"


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
            the other. Devices share every micro-batch: their number changes nothing.
        seed: of weights, data order, augmentation, attacks and few-shot subset.
        statistics: normalisation layers use 'batch' statistics in training and re-estimate their
            mean and variance from them, whatever weights are trained, or keep 'frozen' ones.
        sync_statistics: batch statistics are those of the batch over all devices; otherwise each
            device normalises by its own part, which makes the result depend on their number, and
            running statistics are averaged.
        select: return the 'best' weights on the validation split or the 'last'.
        validate_every: how often validation runs.
        checkpoint_every: how often the whole state is saved; '0ep' only when the run is preempted.
        keep_checkpoints: how many of the newest checkpoints to keep until the stage is complete.
        keep_best_checkpoints: how many of those with the best validation accuracy to keep besides,
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
    select: Literal["best", "last"] = "best"
    validate_every: Duration = "1ep"
    checkpoint_every: Duration = "1ep"
    keep_checkpoints: Positive = 2
    keep_best_checkpoints: Annotated[int, Field(ge=0)] = 0
    steps_per_dispatch: Positive | None = None
    observe: ObserveConfig = field(default_factory=ObserveConfig)

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        problems = conflicts(self, self.objective)
        if int(self.duration[:-2]) == 0:
            problems.append(f"duration={self.duration!r} trains nothing; give at least '1it'")
        if self.select == "best" and int(self.validate_every[:-2]) == 0:
            problems.append("select='best' needs validate_every, for instance '1ep'")
        if self.keep_best_checkpoints and int(self.validate_every[:-2]) == 0:
            problems.append("keep_best_checkpoints needs validate_every, for instance '1ep'")
        if self.batch_size % self.accumulate:
            problems.append(
                f"batch_size={self.batch_size} does not divide into accumulate={self.accumulate} "
                "micro-batches"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def conflicts(train: TrainConfig, objective: ObjectiveConfig) -> list[str]:
    """Return what keeps a training run from minimising an objective, in words."""
    found = []
    if objective.name == "fast" and int(train.validate_every[:-2]) == 0:
        found.append("objective 'fast' needs validate_every to see a collapse, for instance '1ep'")
    if train.statistics == "frozen" and objective.attack_statistics != "frozen":
        found.append(
            f"objective.attack_statistics={objective.attack_statistics!r} attacks another network "
            "than statistics='frozen' trains; set it to 'frozen'"
        )
    return found
