"""Settings of the stages that train: pretraining and transfer."""

from collections.abc import Iterator
from dataclasses import field
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass

from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import source_of
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, NotNegative, is_never
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.settings import TrainConfig


def _ladder(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return a ladder from its lowest rung up, whatever order it was written in."""
    if len(values) == 1:
        raise ValueError("one value is no ladder: set it in train.optimizer, or give two or more")
    if len(set(values)) < len(values):
        raise ValueError("a value stands there more than once; give each once")
    return tuple(sorted(values))


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PixelMean = Annotated[float, Field(ge=0, le=1)]
Rates = Annotated[tuple[Rate, ...], AfterValidator(_ladder)]
Decays = Annotated[tuple[NotNegative, ...], AfterValidator(_ladder)]


class Rung(NamedTuple):
    """What one training of a ladder has in the place of the optimiser's own."""

    learning_rate: float
    weight_decay: float


@dataclass(frozen=True, config=STRICT)
class PretrainConfig:
    """Training of a dense network on the source task.

    Attributes:
        data: the source task.
        model: the network.
        train: the training run.
        network: run folder or ticket folder of a network that is there already, such as an imported
            one, and is taken as it is: `model` must be its, `data` are examples that it can read,
            and nothing is trained. None trains.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    network: str | None = None

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what runs of before it was there do not name, where it is the usual."""
        values: dict[str, Any] = dump(self)
        if values.get("network") is None:
            values.pop("network", None)
        return values

    @model_validator(mode="after")
    def _check(self) -> "PretrainConfig":
        own = config_files.replace(self.train, seed=TrainConfig().seed)
        if self.network is not None and own != TrainConfig():
            raise ValueError(
                f"network={self.network!r} is taken as it is, so that train would change nothing; "
                "leave train out, or network"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class TransferConfig:
    """Training of a ticket on a downstream task, under a fresh head or, on its own task, its own.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the downstream task.
        mode: 'finetune' trains every surviving weight, 'linear' the head alone of all weights.
            Under either, the mean and variance of every normalisation layer are re-estimated on the
            target's training images, unless train.statistics='frozen': see `moves`. Networks of
            texts, which normalise every token by itself, have no such statistics.
        head: a 'fresh' one, or the ticket's 'own', where the task is the one that it answers.
        recalibrate: before training, estimate these statistics anew without labels, see
            `rtickets.evaluation.recalibration`; it needs train.statistics='frozen', as otherwise
            training replaces them. None leaves them as they are.
        normalization: pixel statistics of the 'source' task or of the 'target' task.
        pixel_mean: those to normalise by instead, a number in [0, 1] for every channel, as recipes
            of papers have them; with pixel_std. (0, 0, 0) and (1, 1, 1) leave pixels as they are.
        pixel_std: likewise.
        learning_rates: two or more, in the place of train.optimizer.learning_rate: the ticket is
            trained with each under the same seed, and the one with the best headline on validation
            images is chosen, of equals the smaller. () chooses nothing.
        weight_decays: likewise; with both, every pair is trained.
        features: under 'linear' with frozen statistics, what the head sees is 'computed' in every
            step, or 'cached': computed once, without augmentation or dropout, and all rungs are
            trained together on it.
        train: the training run.
    """

    ticket: str | None = None
    data: DataConfig = field(default_factory=lambda: DataConfig(source="mnist5k"))
    mode: Literal["finetune", "linear"] = "finetune"
    head: Literal["fresh", "own"] = "fresh"
    normalization: Literal["source", "target"] = "source"
    pixel_mean: tuple[PixelMean, ...] = ()
    pixel_std: tuple[Rate, ...] = ()
    recalibrate: TransferRecalibrateConfig | None = None
    learning_rates: Rates = ()
    weight_decays: Decays = ()
    features: Literal["computed", "cached"] = "computed"
    train: TrainConfig = field(default_factory=TrainConfig)

    @property
    def trainable(self) -> Literal["all", "head"]:
        """Which weights are trained."""
        return "all" if self.mode == "finetune" else "head"

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """What is trained to choose from, the smaller rates first; one if nothing is chosen."""
        own = self.train.optimizer
        rates = self.learning_rates or (own.learning_rate,)
        return tuple(map(Rung._make, product(rates, self.weight_decays or (own.weight_decay,))))

    def at(self, rung: Rung) -> "TransferConfig":
        """Return the configuration with an optimiser of a rung; its ladders stay."""
        rate, decay = rung
        return config_files.replace(
            self, train__optimizer__learning_rate=rate, train__optimizer__weight_decay=decay
        )

    @property
    def moves(self) -> str:
        """What of the ticket changes, in words for results and reports."""
        found = moves(
            self.mode, self.train.statistics, self.recalibrate, texts=is_of_texts(self.data)
        )
        return with_limit(found, self.data)

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
        self._check_pixels()
        if len(self.rungs) > 1 and is_never(self.train.validate_every):
            raise ValueError(
                "learning_rates and weight_decays choose on validation images, and "
                f"train.validate_every={self.train.validate_every!r} measures none; set it to "
                "'1ep', or to train.duration to do so at the end alone"
            )
        if self.features == "cached" and (wrong := list(self._moving())):
            raise ValueError(
                f"features='cached' needs {', '.join(wrong)}; set that, or features='computed'"
            )
        return self

    def _check_pixels(self) -> None:
        if len(self.pixel_mean) != len(self.pixel_std) or len(self.pixel_mean) not in (0, 1, 3):
            raise ValueError(
                f"pixel_mean={self.pixel_mean} and pixel_std={self.pixel_std}: give one number for "
                "every channel in each, 1 or 3, or leave both out"
            )
        if self.pixel_mean and self.normalization == "target":
            raise ValueError(
                "normalization='target' measures pixel statistics, pixel_mean gives others; set "
                "one of them"
            )
        if self.pixel_mean and self.recalibrate is not None and self.recalibrate.on == "source":
            raise ValueError(
                "recalibrate.on='source' with pixel_mean would show the network source images "
                "under pixel statistics of the target; choose one for both"
            )

    def _moving(self) -> Iterator[str]:
        """Yield what it would take for features to be the same in every epoch."""
        train = self.train
        if self.mode != "linear":
            yield f"mode='linear' (it is {self.mode!r})"
        if train.statistics != "frozen":
            yield f"train.statistics='frozen' (it is {train.statistics!r})"
        if train.objective.name != "natural":
            yield f"train.objective.name='natural' (it is {train.objective.name!r})"
        if train.observe != ObserveConfig():
            yield "train.observe as it is by default, as nothing is observed"
        if train.keep_best_checkpoints:
            yield f"keep_best_checkpoints=0 (it is {train.keep_best_checkpoints}), as none is saved"


def moves(
    mode: str,
    statistics: str,
    recalibrate: TransferRecalibrateConfig | None = None,
    *,
    texts: bool = False,
) -> str:
    """Say what a transfer changes of a ticket, in words that stand alone.

    Args:
        mode: 'finetune' or 'linear'.
        statistics: of normalisation, 'batch' or 'frozen'.
        recalibrate: how statistics that are then frozen were estimated, None where they were not.
        texts: whether it is of texts, whose tokens are normalised each by itself.
    """
    weights = "the head alone of all weights" if mode == "linear" else "every surviving weight"
    if texts and recalibrate is None:
        return f"{weights}; normalisation is of every token by itself and has no statistics"
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


def is_of_texts(data: DataConfig) -> bool:
    """Return whether a data set is of texts; one that is not known here is taken for images."""
    try:
        return source_of(data).text
    except InputError:
        return False


def with_limit(moves: str, data: DataConfig) -> str:
    """Add to what a transfer moves which part of the target's examples it sees, unless it is all.

    These words stand wherever the other choices of a protocol do.
    """
    return f"{moves}. It sees {data.limit}" if data.limit else moves
