"""Settings of a study: a grid of stages."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.evaluation.settings import EvaluateConfig
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Label, Positive, Seed, Sparsity
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_replaced import why_replaced
from rtickets.stages.ways.given import Given
from rtickets.training.objectives import ObjectiveConfig


@dataclass(frozen=True, config=STRICT)
class StudyConfig:
    """A grid: seeds x branches x (dense and every draw at every sparsity) x transfers.

    A branch is a pretraining: one of `objectives`, or one of `pretrainings`.

    Attributes:
        name: title of the report and prefix of its folder.
        seeds: seeds of the whole chain, from pretraining to the few-shot subset, each once.
        baseline: the branch that the others are compared with.
        pretrain: the pretraining run; its objective and seed are set by the study.
        objectives: objectives of `pretrain` by label, a branch each.
        pretrainings: further branches by label, whole pretraining runs of another task, optimiser
            or network; their seed is set by the study.
        draws: ways of drawing by label; their sparsity is set by the study.
        drawn_as_pretrained: labels of draws that train with the objective that their network was
            pretrained with, in the place of one of their own.
        sparsities: the ladder, each once.
        ladders: ladders of single ways of drawing, by their label, in the place of `sparsities`.
        transfers: downstream runs by label; their seed is set by the study.
        evaluate: what is measured at the end of each.
        together: how many tickets are trained at once where that can be, see
            `rtickets.stages.together`: 1 is one after the other, None what is fastest. It changes
            numbers by rounding alone.
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
    pretrainings: Mapping[Label, PretrainConfig] = field(default_factory=dict)
    draws: Mapping[Label, DrawConfig] = field(default_factory=lambda: {"omp": DrawConfig()})
    drawn_as_pretrained: tuple[Label, ...] = ()
    sparsities: tuple[Sparsity, ...] = (0.5, 0.8, 0.9, 0.95, 0.98)
    ladders: Mapping[Label, tuple[Sparsity, ...]] = field(default_factory=dict)
    transfers: Mapping[Label, TransferConfig] = field(
        default_factory=lambda: {"finetune": TransferConfig()}
    )
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    together: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> "StudyConfig":
        if "dense" in self.draws:
            raise ValueError("a draw cannot be called 'dense', as what is not drawn is")
        if unknown := set(self.ladders) - set(self.draws):
            raise ValueError(f"ladders has labels that draws lacks: {', '.join(sorted(unknown))}")
        if wrong := list(self._wrong_branches()) or list(self._wrong_draws()):
            raise ValueError("; ".join(wrong))
        grid = (self.seeds, self.draws, self.sparsities, *self.ladders.values(), self.transfers)
        if not all(grid):
            raise ValueError(
                "seeds, draws, sparsities, every ladder and transfers need at least one entry each"
            )
        self._check_differ()
        ladders = {label: self.ladder(label) for label in self.draws}
        stages = self.draws, ladders, self.transfers, self.evaluate
        if why := why_replaced(self.pretrain, self.pretrainings, *stages):
            raise ValueError(why)
        return self

    def _wrong_branches(self) -> Iterator[str]:
        """Yield what is wrong with the pretrainings."""
        twice = sorted(set(self.objectives) & set(self.pretrainings))
        if twice:
            yield f"{', '.join(twice)}: stands in objectives and in pretrainings; rename one"
        if not self.branches:
            yield "objectives and pretrainings are empty; give one at least"
        elif not self.objectives and self.pretrain != PretrainConfig():
            yield "pretrain would change nothing where objectives is empty; set pretrainings alone"
        if self.branches and self.baseline not in self.branches:
            shown = ", ".join(self.branches)
            yield f"baseline={self.baseline!r} is no pretraining of this study, which has {shown}"
        for label, objective in self.objectives.items():
            for problem in objective.conflicts(self.pretrain.train):
                yield f"objectives.{label}: {problem}"

    def _wrong_draws(self) -> Iterator[str]:
        """Yield what is wrong with draws that train as their network was pretrained."""
        for label in dict.fromkeys(self.drawn_as_pretrained):
            draw = self.draws.get(label)
            if draw is None:
                yield f"drawn_as_pretrained: {label!r} is none of the draws"
            elif draw.train is None:
                yield f"drawn_as_pretrained: {label!r} trains nothing; leave it out"
            elif draw.train.objective != ObjectiveConfig():
                yield f"draws.{label}.train.objective would be replaced (drawn_as_pretrained)"
            else:
                for branch in self.branches:
                    objective = self.pretraining(branch).train.objective
                    for problem in objective.conflicts(draw.train):
                        yield f"draws.{label} as {branch} was pretrained: {problem}"
        for label, draw in self.draws.items():
            if isinstance(draw.method, Given):
                yield from self._wrong_mask(label, draw.method)

    def _wrong_mask(self, label: str, given: Given) -> Iterator[str]:
        """Yield what is wrong with a draw whose mask is that of another."""
        if given.mask is not None or given.masks:
            named = f"mask={given.mask!r}" if given.mask is not None else f"masks={given.masks!r}"
            yield (
                f"draws.{label}.method.{named} would be one mask for all seeds and "
                "sparsities; set method.draw and method.pretraining"
            )
            return
        theirs = self.draws.get(given.draw or "")
        if theirs is None or isinstance(theirs.method, Given):
            known = [name for name, one in self.draws.items() if not isinstance(one.method, Given)]
            yield (
                f"draws.{label}.method.draw={given.draw!r} is no draw of this study with a mask of "
                f"its own; choose one of {', '.join(known) or 'those that you add'}"
            )
        if given.pretraining not in self.branches:
            shown = ", ".join(self.branches)
            yield (
                f"draws.{label}.method.pretraining={given.pretraining!r} is no pretraining of this "
                f"study; choose one of {shown}"
            )
            return
        network = self.pretraining(given.pretraining).model
        for branch in self.branches:
            if self.pretraining(branch).model != network:
                yield (
                    f"draws.{label}: the mask of {given.pretraining!r} does not fit {branch!r}, "
                    "whose network is another; compare pretrainings of one network"
                )

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

    @property
    def branches(self) -> tuple[str, ...]:
        """The labels of all pretrainings."""
        return (*self.objectives, *self.pretrainings)

    def pretraining(self, branch: str) -> PretrainConfig:
        """Return the pretraining of a branch, whose seed is still to be set."""
        if branch in self.pretrainings:
            return self.pretrainings[branch]
        return config_files.replace(self.pretrain, train__objective=self.objectives[branch])

    def drawing(self, draw: str, branch: str) -> DrawConfig:
        """Return a way of drawing for a branch, whose sparsity and seed are still to be set."""
        own = self.draws[draw]
        if draw not in self.drawn_as_pretrained:
            return own
        return config_files.replace(own, train__objective=self.pretraining(branch).train.objective)

    def sources(self) -> dict[str, tuple[PretrainConfig, tuple[str, ...]]]:
        """Return a pretraining for every data set and network, with the branches that have it.

        What is asked of data and shapes is the same for all branches of one. The key is the label
        of the first.
        """
        found: dict[str, tuple[PretrainConfig, tuple[str, ...]]] = {}
        for branch in self.branches:
            own = self.pretraining(branch)
            for label, (first, alike) in found.items():
                if _seen(first) == _seen(own):
                    found[label] = first, (*alike, branch)
                    break
            else:
                found[branch] = own, (branch,)
        return found


def _seen(pretrain: PretrainConfig) -> tuple[Any, ...]:
    return pretrain.data, pretrain.model, pretrain.network is None
