"""Settings of a comparison of pipelines from a supernet to a small network."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.settings import DataConfig
from rtickets.draw.criteria.registry import CRITERIA
from rtickets.draw.searching.settings import Reactivation, SearchingConfig
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Fraction, Label, OneOf, Positive, Seed, is_never
from rtickets.stages.pipelines.searches import PRUNING, SEARCHES
from rtickets.stages.search_settings import SearchConfig
from rtickets.stages.settings import TransferConfig
from rtickets.training.settings import TrainConfig

ELSEWHERE = ("transfer", "transfer_frozen")


@dataclass(frozen=True, config=STRICT)
class PipelineConfig:
    """How a sparse network comes about, and what becomes of it.

    Attributes:
        search: the training run that it begins with: 'two_in_one', channels and weights die;
            'searched', channels alone; 'pruned', weights alone; 'dense', nothing does.
        reactivation: in the place of `searching.reactivation`.
        at_once: the whole sparsity at the first prune event, in the place of the staircase.
        criterion: what comes out is pruned after the run, one-shot, by this criterion of
            `rtickets draw`; None is not at all.
        survivors: its 'own' mask, or a 'random' one with as many weights alive in every layer.
        weights: its 'own', or those that a whole network of the same seed has: 'initial' ones,
            those of an 'early' step (`searching.early`), or those of the 'dense' run.
        then: 'nothing'; 'retrain' it on its task with its mask, under its own head; 'train' it so
            for as long as the run; or 'transfer' it to every other task under a fresh head,
            'transfer_frozen' with a backbone whose weights and statistics stay.
        sparsities: in the place of the study's.
        tasks: labels of those that it is run on; () are all. A transfer goes to all others.
    """

    search: Annotated[str, OneOf(SEARCHES)] = "two_in_one"
    reactivation: Reactivation | None = None
    at_once: bool = False
    criterion: Annotated[str, OneOf(CRITERIA)] | None = None
    survivors: Literal["own", "random"] = "own"
    weights: Literal["own", "initial", "early", "dense"] = "own"
    then: Literal["nothing", "retrain", "train", "transfer", "transfer_frozen"] = "nothing"
    sparsities: tuple[Fraction, ...] = ()
    tasks: tuple[Label, ...] = ()

    @property
    def sparse(self) -> bool:
        """Whether it has a sparsity."""
        return self.criterion is not None or self.search in PRUNING

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the fields together."""
        prunes = self.search in PRUNING
        if prunes and self.criterion is not None:
            yield f"criterion={self.criterion!r} would prune what search={self.search!r} prunes"
        if not prunes and (self.at_once or self.reactivation is not None):
            yield f"search={self.search!r} has no prune events; leave at_once and reactivation out"
        if not self.sparse and (self.sparsities or self.survivors == "random"):
            yield f"search={self.search!r} without a criterion has no sparsity and no mask"
        if self.search == "pruned" and self.reactivation == "on_shrink":
            yield "reactivation='on_shrink' acts when channels die; with search='pruned' none does"
        if self.survivors == "random" and self.weights == "own":
            yield "survivors='random' needs weights of a whole network; set weights"
        if self.weights != "own" and self.then == "nothing":
            yield f"weights={self.weights!r} are for training under a mask; set then"

    @model_validator(mode="after")
    def _check(self) -> "PipelineConfig":
        if found := "; ".join(self.problems()):
            raise ValueError(found)
        return self


def _model() -> ModelConfig:
    return ModelConfig(arch="supernet_small")


def _train() -> TrainConfig:
    return TrainConfig(select="last")


def _searching() -> SearchingConfig:
    return SearchingConfig(search_every="2ep", prune_every="3ep", penalty_warmup="3ep")


@dataclass(frozen=True, config=STRICT)
class PipelineStudyConfig:
    """A grid: pipelines x sparsities x tasks x seeds, from one supernet.

    Attributes:
        name: title of the page and prefix of its folder.
        seeds: of weights and data order, the same for all pipelines, each once.
        tasks: by label, all with inputs of one shape.
        model: the supernet.
        searching: the events of all runs, of which pipelines leave some out.
        train: the run that every pipeline begins with; its seed is set by the study.
        retrain: training that follows on the same task, likewise.
        transfer: training that follows on another task, likewise.
        examples: that criteria which need data see.
        sparsities: of the weights of living channels, each once.
        pipelines: by label.
        compared: by the label of a pipeline those that it is compared with, pair by pair.
        evaluate: what is measured at the end of each.
    """

    name: Label = "pipelines"
    seeds: tuple[Seed, ...] = (0,)
    tasks: Mapping[Label, DataConfig] = field(default_factory=lambda: {"task": DataConfig()})
    model: ModelConfig = field(default_factory=_model)
    searching: SearchingConfig = field(default_factory=_searching)
    train: TrainConfig = field(default_factory=_train)
    retrain: TrainConfig = field(default_factory=_train)
    transfer: TrainConfig = field(default_factory=_train)
    examples: Positive = 512
    sparsities: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.5, 0.8, 0.9)
    pipelines: Mapping[Label, PipelineConfig] = field(
        default_factory=lambda: {"two_in_one": PipelineConfig()}
    )
    compared: Mapping[Label, tuple[Label, ...]] = field(default_factory=dict)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    def ladder(self, label: str) -> tuple[float, ...]:
        """Return the sparsities of a pipeline, 0 alone for one that has none."""
        own = self.pipelines[label]
        return (own.sparsities or self.sparsities) if own.sparse else (0.0,)

    def search(
        self, pipeline: PipelineConfig, task: str, sparsity: float, seed: int
    ) -> SearchConfig:
        """Return the training run that a pipeline begins with."""
        own = SEARCHES[pipeline.search](self.searching, self.train.duration, sparsity)
        if pipeline.reactivation is not None:
            own = config_files.replace(own, reactivation=pipeline.reactivation)
        if pipeline.at_once:
            own = config_files.replace(own, sparsity_step=sparsity)
        train = config_files.replace(self.train, seed=seed)
        return SearchConfig(self.tasks[task], self.model, own, train)

    def follows(self, pipeline: PipelineConfig, target: str, seed: int) -> TransferConfig:
        """Return the training that follows on a run, of a pipeline that has one."""
        train = {"retrain": self.retrain, "train": self.train}.get(pipeline.then, self.transfer)
        frozen = pipeline.then == "transfer_frozen"
        train = config_files.replace(train, seed=seed)
        if frozen:
            train = config_files.replace(train, statistics="frozen")
        return TransferConfig(
            data=self.tasks[target],
            mode="linear" if frozen else "finetune",
            head="fresh" if pipeline.then in ELSEWHERE else "own",
            train=train,
        )

    @model_validator(mode="after")
    def _check(self) -> "PipelineStudyConfig":
        if wrong := list(self._problems()):
            raise ValueError("; ".join(wrong))
        for label, pipeline in self.pipelines.items():
            for sparsity in self.ladder(label):
                self.search(pipeline, next(iter(self.tasks)), sparsity, 0)
            if pipeline.then != "nothing":
                self.follows(pipeline, next(iter(self.tasks)), 0)
        return self

    def _problems(self) -> Iterator[str]:
        if not (self.seeds and self.tasks and self.pipelines):
            yield "seeds, tasks and pipelines need at least one entry each"
        ladders = {f"pipelines.{n}.sparsities": p.sparsities for n, p in self.pipelines.items()}
        named = {"seeds": self.seeds, "sparsities": self.sparsities, **ladders}
        for name, values in named.items():
            if twice := sorted({each for each in values if values.count(each) > 1}):
                yield f"{name} has {', '.join(map(str, twice))} more than once; give each once"
        for label, own in self.pipelines.items():
            if own.then in ELSEWHERE and len(self.tasks) < 2:
                yield f"pipelines.{label}.then={own.then!r} needs another task; tasks has one"
            if unknown := [task for task in own.tasks if task not in self.tasks]:
                yield f"pipelines.{label}.tasks: {', '.join(unknown)} is no task of this study"
            most = max(self.ladder(label))
            if (
                own.criterion is not None
                and self.searching.floor
                and 1 - most <= (self.searching.floor + 1e-9)
            ):
                yield (
                    f"pipelines.{label}: searching.floor={self.searching.floor} of every layer, "
                    f"rounded up, is not less than sparsity {most} leaves; lower one of them"
                )
            if own.weights == "early" and is_never(self.searching.early):
                yield f"pipelines.{label}.weights='early' needs searching.early, which is never"
        for label, others in self.compared.items():
            if unknown := [each for each in (label, *others) if each not in self.pipelines]:
                yield f"compared.{label}: {', '.join(unknown)} is no pipeline of this study"
