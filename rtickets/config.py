"""Typed configurations of the stages: frozen dataclasses, checked as a whole before anything runs.

Durations are strings such as '160ep' (epochs) or '500it' (steps); '0ep' means never. Radii and
steps of attacks are in pixel units of images in [0, 1].
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from rtickets.patterns import PATTERN

Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ep|it)$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sparsity = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]

_STRICT = ConfigDict(extra="forbid")


def to_steps(duration: str, steps_per_epoch: int) -> int:
    """Return the number of training steps of a duration such as '160ep' or '500it'."""
    count, unit = int(duration[:-2]), duration[-2:]
    return count * steps_per_epoch if unit == "ep" else count


@dataclass(frozen=True, config=_STRICT)
class DataConfig:
    """A data set, how it is split, and how its images reach the network.

    Attributes:
        source: a name that `rtickets data list` shows, or 'folder', 'npz'.
        path: folder or file of the sources that are read from one.
        image_size: height and width to resize to on the device; None keeps the stored size.
        channels: 1 or 3 to convert to grey or colour; None keeps the stored channels.
        train_examples: size of a class-balanced random subset of the training split, drawn with the
            run's seed; None keeps all.
        validation_fraction: part of the training images set aside for validation.
        test_fraction: part set aside for testing where the source has no test split of its own.
        crop_padding: zero padding before a random crop; None is the source's default.
        flip: random horizontal flips; None is the source's default.
    """

    source: str = "fashion_mini"
    path: str | None = None
    image_size: Positive | None = None
    channels: Literal[1, 3] | None = None
    train_examples: Positive | None = None
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.2
    crop_padding: Annotated[int, Field(ge=0)] | None = None
    flip: bool | None = None


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """A network.

    Attributes:
        arch: name of the architecture.
        width: multiplier on the features of every layer.
        stem: 'small' for images of about 32 pixels, 'imagenet' for 224.
        precision: compute precision; weights and statistics are always float32.
    """

    arch: Literal["resnet18", "resnet34", "resnet50"] = "resnet18"
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    stem: Literal["small", "imagenet"] = "small"
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, config=_STRICT)
class AttackConfig:
    """Projected gradient descent in a ball.

    Attributes:
        norm: 'linf' or 'l2'.
        eps: radius in pixel units.
        num_steps: number of steps.
        step_size: length of a step; None is 2.5 eps / num_steps (Madry et al. 2018).
        random_start: start from a uniform point of the ball.
    """

    norm: Literal["linf", "l2"] = "linf"
    eps: NotNegative = 8 / 255
    num_steps: Positive = 10
    step_size: NotNegative | None = None
    random_start: bool = True

    @property
    def step(self) -> float:
        """The length of a step in pixel units."""
        return 2.5 * self.eps / self.num_steps if self.step_size is None else self.step_size


@dataclass(frozen=True, config=_STRICT)
class ObjectiveConfig:
    """What training minimises.

    Attributes:
        name: 'natural' is cross-entropy, 'pgd' cross-entropy on adversarial examples.
        attack: the inner maximisation of 'pgd'; unused by 'natural'.
    """

    name: Literal["natural", "pgd"] = "natural"
    attack: AttackConfig = field(default_factory=lambda: AttackConfig(num_steps=7))


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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
        checkpoint_every: how often the whole state is saved; '0ep' saves nothing before the end.
        steps_per_dispatch: steps per call of the device; None is 1 on CPU and 50 elsewhere.
    """

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    duration: Duration = "30ep"
    batch_size: Positive = 128
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    statistics: Literal["batch", "frozen"] = "batch"
    select: Literal["best", "last"] = "best"
    validate_every: Duration = "1ep"
    checkpoint_every: Duration = "1ep"
    steps_per_dispatch: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if int(self.duration[:-2]) == 0:
            raise ValueError(f"duration={self.duration!r} trains nothing; give at least '1it'")
        if self.select == "best" and int(self.validate_every[:-2]) == 0:
            raise ValueError("select='best' needs validate_every, for instance '1ep'")
        return self


@dataclass(frozen=True, config=_STRICT)
class PretrainConfig:
    """Training of a dense network on the source task."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, config=_STRICT)
class DrawConfig:
    """Drawing of a ticket from a network.

    Attributes:
        ticket: run folder or ticket folder of the network; a study fills it in.
        method: 'omp', one-shot pruning.
        sparsity: removed fraction of the prunable weights.
        pattern: what lives or dies together: 'element', 'row', 'kernel', 'channel', 'block:AxB' or
            'N:M', see `rtickets.patterns`.
        scope: 'global' ranks all groups together, 'uniform' each layer's on their own, 'erk' gives
            small layers a smaller sparsity.
        criterion: 'magnitude' or 'random'.
        group_norm: the score of a group: mean ('l1') or root mean square ('l2') of its weights'.
        prunable: regular expression of the paths of prunable leaves.
        exclude: regular expression of leaves to leave alone, or None.
        seed: of the random criterion; a study replaces it.
    """

    ticket: str | None = None
    method: Literal["omp"] = "omp"
    sparsity: Sparsity = 0.9
    pattern: Annotated[str, StringConstraints(pattern=f"^({PATTERN})$")] = "element"
    scope: Literal["global", "uniform", "erk"] = "global"
    criterion: Literal["magnitude", "random"] = "magnitude"
    group_norm: Literal["l1", "l2"] = "l1"
    prunable: str = r"(?!(.*/)?head/).*kernel"
    exclude: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


@dataclass(frozen=True, config=_STRICT)
class TransferConfig:
    """Training of a ticket on a downstream task, under a fresh head.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the downstream task.
        mode: 'finetune' trains every surviving weight, 'linear' the head alone.
        normalization: pixel statistics of the 'source' task or of the 'target' task.
        train: the training run.
    """

    ticket: str | None = None
    data: DataConfig = field(default_factory=lambda: DataConfig(source="mnist5k"))
    mode: Literal["finetune", "linear"] = "finetune"
    normalization: Literal["source", "target"] = "source"
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, config=_STRICT)
class EvaluateConfig:
    """Measurements on a test split.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the task; None is the one the ticket was last trained on.
        split: 'test', or 'validation' for choosing settings.
        attacks: attacks by name.
        attack_examples: attack only so many examples, spread evenly over the split; None is all.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attacks' random starts.
    """

    ticket: str | None = None
    data: DataConfig | None = None
    split: Literal["test", "validation"] = "test"
    attacks: Mapping[Label, AttackConfig] = field(default_factory=dict)
    attack_examples: Positive | None = None
    batch_size: Positive = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


@dataclass(frozen=True, config=_STRICT)
class StudyConfig:
    """A grid: seeds x objectives x (dense and every draw at every sparsity) x transfers.

    Attributes:
        name: title of the report and prefix of its folder.
        seeds: seeds of the whole chain, from pretraining to the few-shot subset.
        baseline: the objective that the others are compared with.
        pretrain: the pretraining run; its objective and seed are replaced.
        objectives: pretraining objectives by label.
        draws: ways of drawing by label; their sparsity is replaced.
        sparsities: the ladder.
        transfers: downstream runs by label; their seed is replaced.
        evaluate: what is measured at the end of each.
    """

    name: Label = "study"
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = (0,)
    baseline: Label = "natural"
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    objectives: Mapping[Label, ObjectiveConfig] = field(
        default_factory=lambda: {
            "natural": ObjectiveConfig(),
            "robust": ObjectiveConfig(name="pgd"),
        }
    )
    draws: Mapping[Label, DrawConfig] = field(default_factory=lambda: {"omp": DrawConfig()})
    sparsities: tuple[Sparsity, ...] = (0.5, 0.8, 0.9, 0.95, 0.98)
    transfers: Mapping[Label, TransferConfig] = field(
        default_factory=lambda: {"finetune": TransferConfig()}
    )
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    @model_validator(mode="after")
    def _check(self) -> "StudyConfig":
        if "dense" in self.draws or "clean" in self.evaluate.attacks:
            raise ValueError("a draw cannot be called 'dense', nor an attack 'clean'")
        if self.baseline not in self.objectives:
            raise ValueError(f"baseline={self.baseline!r} is none of the objectives")
        if not (self.seeds and self.draws and self.sparsities and self.transfers):
            raise ValueError("seeds, draws, sparsities and transfers need at least one entry each")
        return self
