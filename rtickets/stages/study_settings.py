"""Settings of a study: a grid of stages."""

from collections.abc import Mapping
from dataclasses import field

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.evaluation.settings import EvaluateConfig
from rtickets.settings.kinds import STRICT, Label, Seed, Sparsity
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_replaced import why_replaced
from rtickets.training.objectives import ObjectiveConfig


@dataclass(frozen=True, config=STRICT)
class StudyConfig:
    """A grid: seeds x objectives x (dense and every draw at every sparsity) x transfers.

    Attributes:
        name: title of the report and prefix of its folder.
        seeds: seeds of the whole chain, from pretraining to the few-shot subset, each once.
        baseline: the objective that the others are compared with.
        pretrain: the pretraining run; its objective and seed are set by the study.
        objectives: pretraining objectives by label.
        draws: ways of drawing by label; their sparsity is set by the study.
        sparsities: the ladder, each once.
        ladders: ladders of single ways of drawing, by their label, in the place of `sparsities`.
        transfers: downstream runs by label; their seed is set by the study.
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
    ladders: Mapping[Label, tuple[Sparsity, ...]] = field(default_factory=dict)
    transfers: Mapping[Label, TransferConfig] = field(
        default_factory=lambda: {"finetune": TransferConfig()}
    )
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    @model_validator(mode="after")
    def _check(self) -> "StudyConfig":
        if "dense" in self.draws:
            raise ValueError("a draw cannot be called 'dense', as what is not drawn is")
        if unknown := set(self.ladders) - set(self.draws):
            raise ValueError(f"ladders has labels that draws lacks: {', '.join(sorted(unknown))}")
        if self.baseline not in self.objectives:
            raise ValueError(f"baseline={self.baseline!r} is none of the objectives")
        wrong = [
            f"objectives.{label}: {problem}"
            for label, objective in self.objectives.items()
            for problem in objective.conflicts(self.pretrain.train)
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        grid = (self.seeds, self.draws, self.sparsities, *self.ladders.values(), self.transfers)
        if not all(grid):
            raise ValueError(
                "seeds, draws, sparsities, every ladder and transfers need at least one entry each"
            )
        self._check_differ()
        ladders = {label: self.ladder(label) for label in self.draws}
        stages = self.pretrain, self.draws, ladders, self.transfers, self.evaluate
        if why := why_replaced(*stages):
            raise ValueError(why)
        return self

    def _check_differ(self) -> None:
        """Refuse what stands twice: it would count as two measurements, with no deviation."""
        ladders = {f"ladders.{label}": ladder for label, ladder in self.ladders.items()}
        for name, values in {"seeds": self.seeds, "sparsities": self.sparsities, **ladders}.items():
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                shown = ", ".join(map(str, twice))
                raise ValueError(f"{name}={values} has {shown} more than once; give each once")

    def ladder(self, draw: str) -> tuple[float, ...]:
        """Return the sparsities of a way of drawing."""
        return self.ladders.get(draw, self.sparsities)
