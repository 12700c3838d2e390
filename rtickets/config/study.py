"""Configuration of a study: a grid of stages."""

from collections.abc import Mapping
from dataclasses import field

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.config.fields import (
    STRICT,
    Label,
    Seed,
    Sparsity,
)
from rtickets.config.stages import DrawConfig, EvaluateConfig, PretrainConfig, TransferConfig
from rtickets.config.training import ObjectiveConfig


@dataclass(frozen=True, config=STRICT)
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
    seeds: tuple[Seed, ...] = (0,)
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
