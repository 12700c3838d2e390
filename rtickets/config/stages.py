"""Configurations of the stages and of what they work on."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.config.attacks import AttackConfig, SmoothingConfig
from rtickets.config.fields import (
    STRICT,
    Activation,
    Arch,
    Fraction,
    Label,
    NotNegative,
    Positive,
    Seed,
    Variant,
    variants_of,
)
from rtickets.config.training import TrainConfig

NotNegativeInt = Annotated[int, Field(ge=0)]
PartOfOne = Annotated[float, Field(gt=0, le=1)]


def _absolute(path: str) -> str:
    """Return a path that means the same from every folder."""
    return str(Path(path).expanduser().absolute())


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """A data set, how it is split, and how its images reach the network.

    Attributes:
        source: a name that `rtickets data list` shows.
        path: folder or file of the sources that are read from one; it is made absolute.
        image_size: height and width that images are brought to; None is the source's default, which
            for images of one small size is theirs.
        channels: 1 or 3 to convert to grey or colour; None keeps the stored channels.
        train_examples: size of a class-balanced random subset of the training split, drawn with the
            run's seed; None keeps all.
        validation_fraction: part of the training images set aside for validation.
        test_fraction: part set aside for testing where the source has no test split of its own.
        crop_padding: zero padding before a random crop. This and the next fields are the source's
            default where they are None.
        flip: random horizontal flips.
        random_resized_crop: in training, stretch a random part of the image to `image_size`.
        crop_scale: smallest and largest part of the area that such a crop takes.
        resize: outside training, or without random resized crops, scale the short side to this
            before a centre crop of `image_size`; 0 stretches the image.
        interpolation: the filter of all resizing, always with antialiasing.
        color_jitter: brightness, contrast and saturation change by a factor of up to 1 +- this.
        lighting: strength of a random colour along the principal components of ImageNet's.
        stream: leave images encoded on disk and decode them for every batch; None does so for
            photographs, False decodes all into memory first.
        workers: threads that decode; None is one per core, at most 16.
    """

    source: str = "fashion_mini"
    path: Annotated[str, AfterValidator(_absolute)] | None = None
    image_size: Positive | None = None
    channels: Literal[1, 3] | None = None
    train_examples: Positive | None = None
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.2
    crop_padding: NotNegativeInt | None = None
    flip: bool | None = None
    random_resized_crop: bool | None = None
    crop_scale: tuple[PartOfOne, PartOfOne] = (0.08, 1.0)
    resize: NotNegativeInt | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    color_jitter: Annotated[float, Field(ge=0, lt=1)] | None = None
    lighting: NotNegative | None = None
    stream: bool | None = None
    workers: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.random_resized_crop and self.crop_padding:
            raise ValueError("random_resized_crop takes the place of crop_padding; set one to 0")
        if self.crop_scale[0] > self.crop_scale[1]:
            raise ValueError(f"crop_scale={self.crop_scale} is not (smallest, largest)")
        if self.resize and self.image_size and self.resize < self.image_size:
            raise ValueError(
                f"resize={self.resize} leaves no centre crop of image_size={self.image_size}"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """A network.

    Attributes:
        arch: name of the architecture.
        width: multiplier on the features of every layer.
        stem: 'small' for images of about 32 pixels, 'imagenet' for 224, which networks with
            pre-activation (`preact_resnet...`, `wide_resnet28_10` and its like) do not have.
        precision: compute precision; weights and statistics are always float32.
        variant: a published variant that computes something else with the same layers, see
            `rtickets.config.fields.variants_of`; None is the usual network.
        activation: None is the published one: 'silu' for the variant 'deepmind', ReLU6 for
            efficientnet_lite0, which has no other, and 'relu' for the rest.
    """

    arch: Arch = "resnet18"
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    stem: Literal["small", "imagenet"] = "small"
    precision: Literal["float32", "bfloat16"] = "float32"
    variant: Variant | None = None
    activation: Activation | None = None

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        known = variants_of(self.arch)
        if self.variant is not None and self.variant not in known:
            names = ", ".join(known) or "none"
            raise ValueError(
                f"variant={self.variant!r} does not exist for {self.arch}, which has {names}"
            )
        if self.activation is not None and self.arch == "efficientnet_lite0":
            raise ValueError(
                f"activation={self.activation!r}: efficientnet_lite0 has ReLU6; leave it"
            )
        return self


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
    """Say what a transfer changes of a ticket.

    Args:
        mode: 'finetune' or 'linear'.
        statistics: of normalisation, 'batch' or 'frozen'.

    Returns:
        A phrase that needs no configuration beside it.
    """
    weights = "the head alone of all weights" if mode == "linear" else "every surviving weight"
    if statistics == "frozen":
        return f"{weights}; normalisation statistics stay the ticket's"
    return (
        f"{weights}, and normalisation statistics (the mean and variance of every such layer), "
        "re-estimated on the target's training images"
    )


@dataclass(frozen=True, config=STRICT)
class EvaluateConfig:
    """Measurements on a test split.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the task; None is the one the ticket was last trained on.
        split: 'test', or 'validation' for choosing settings.
        attacks: attacks by label.
        attack_examples: attack only so many examples, spread evenly over the split; None is all.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attacks and of the smoothing noise.
        honesty_examples: run the checks that say whether robust accuracies can be trusted on so
            many of the attacked examples, wherever there is an attack; 0 leaves them out, and the
            verdict is then "not checked".
        save_images: keep the adversarial images of every attack in the run folder.
        smoothing: certify by randomized smoothing, or None.
    """

    ticket: str | None = None
    data: DataConfig | None = None
    split: Literal["test", "validation"] = "test"
    attacks: Mapping[Label, AttackConfig] = field(default_factory=dict)
    attack_examples: Positive | None = None
    batch_size: Positive = 256
    seed: Seed = 0
    honesty_examples: Annotated[int, Field(ge=0)] = 64
    save_images: bool = False
    smoothing: SmoothingConfig | None = None

    @property
    def reads_task(self) -> bool:
        """Whether images are read, of the network's task where `data` is None."""
        return True

    @model_validator(mode="after")
    def _check(self) -> "EvaluateConfig":
        if "certified" in self.attacks:
            raise ValueError(
                "an attack cannot be called 'certified', as the report calls smoothing"
            )
        return self

    def check_lengths(self, shape: Sequence[int]) -> None:
        """Check radii and steps where the shape of images is known.

        Args:
            shape: (H, W, C).

        Raises:
            InputError: for lengths that are certainly mistakes.
        """
        for label, attack in self.attacks.items():
            attack.check_lengths(f"attacks.{label}", shape)
        if self.smoothing is not None:
            self.smoothing.check_lengths(shape)
