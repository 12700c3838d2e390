"""Settings of drawing."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from rtickets.attacks.settings import AttackConfig
from rtickets.data.settings import DataConfig
from rtickets.draw.controls import OTHER_WEIGHTS, Control
from rtickets.draw.criteria.base import CriterionEntry
from rtickets.draw.criteria.registry import CRITERIA
from rtickets.draw.floors import check_floor
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.masks.layout_names import parse_names
from rtickets.masks.patterns import PATTERN, parse_pattern
from rtickets.masks.trees import check_expression
from rtickets.settings.kinds import STRICT, Fraction, OneOf, Positive, Seed, Sparsity
from rtickets.stages.ways.base import WayConfig
from rtickets.training.settings import TrainConfig

_OF_DATA = ("examples", "batch_size", "attack")
_OF_ROUNDS = ("rounds", "schedule")
_PERTURBED = ("flipped", "perturbed", "mask_noise")


@dataclass(frozen=True, config=STRICT)
class CheckConfig(RecalibrateConfig):
    """Running a drawn ticket on validation images, to see whether it is broken.

    Its score is compared with chance, as it is and with normalisation statistics estimated anew on
    `batches` of `batch_size` training images, or as many as there are; outputs that are the same
    for every image are counted.

    Attributes:
        examples: run it on so many validation images, spread evenly.
    """

    examples: Annotated[int, Field(ge=2)] = 512


@dataclass(frozen=True, config=STRICT)
class DrawConfig:
    """Drawing of a ticket from a network.

    Attributes:
        ticket: run folder or ticket folder of the network; a study fills it in. What is dead in it
            stays dead, and 'lmp' and controls but 'reinitialised' and 'weight_noise' refuse it.
        method: the way, with its own settings; its name alone is its defaults.
        sparsity: removed fraction of the prunable weights.
        pattern: what lives or dies together: 'element', 'row', 'kernel', 'channel',
            'channel_linked', 'block:AxB' or 'N:M', see `rtickets.masks.patterns`.
        scope: 'global' ranks all groups together, 'uniform' each layer's on their own, 'erk' gives
            small layers a smaller sparsity.
        floor: the part of every layer's living weights or groups that scope 'global' of 'omp'
            leaves it in any case, rounded up.
        criterion: 'magnitude', 'random', or what `rtickets.criteria` computes with the network:
            'synflow', or from data 'snip', 'grasp' and 'taylor' (squared).
        group_norm: the score of a group: mean ('l1') or root mean square ('l2') of its weights'.
        prunable: regular expression of the paths of prunable leaves.
        exclude: regular expression of leaves to leave alone, or None.
        layouts: what the axes of kernels are, 'REGEX=LAYOUT' each, such as '.*/out/kernel=iio',
            where that cannot be inferred, see `rtickets.masks.layouts`; the ticket remembers it.
        seed: of the random criterion, of the choice of examples and their attack, and of controls;
            a study replaces it for these.
        rounds: rounds of scoring and removing; None is 100 for 'synflow', else 1.
        schedule: sparsity over the rounds, see `rtickets.draw.sparsity_schedule`.
        data: the task of the examples, of the training of 'imp' and 'lmp', or of `recalibrate`;
            None is the one the network was last trained on ('upstream').
        examples: score on so many training examples at most, classes balanced.
        batch_size: examples per call.
        attack: score on adversarial examples; an attack of the pgd family without restarts.
        train: the training of 'imp' (of every state) and 'lmp'; a study replaces its seed.
        control: instead of the ticket, a control of it: 'random' (a random mask with as many
            groups alive in every layer), 'shuffled' (channels permuted), 'complement' (the groups
            with the smallest scores live, up to one group as many), 'flipped' (a part exchanged),
            'perturbed' (a part of the survivors removed and as large a part of the others revived,
            which changes the sparsity), 'mask_noise' (a part of each layer's size exchanged);
            or other weights under its mask: 'reinitialised' (new ones), 'permuted_layers' (every
            layer of an encoder has the matrices of another), 'weight_noise' (with noise added).
            Blocks cannot be shuffled, N:M neither that nor flipped, perturbed or noisy.
        flip_fraction: part of the survivors that 'flipped' exchanges, or that 'perturbed' changes;
            of 'mask_noise' part of the layer.
        noise_std: standard deviation of 'weight_noise', in units of the weights.
        recalibrate: give the ticket of 'omp', or a control of it, normalisation statistics that are
            estimated anew on training images of `data`, without labels, under its mask; None keeps
            those of the network.
        check: run the ticket on images of the task that its head is for and say what is broken;
            None looks at the mask alone.
    """

    ticket: str | None = None
    method: WayConfig = field(default_factory=WayConfig)
    sparsity: Sparsity = 0.9
    pattern: Annotated[str, StringConstraints(pattern=f"^({PATTERN})$")] = "element"
    scope: Literal["global", "uniform", "erk"] = "global"
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.0
    criterion: Annotated[str, OneOf(CRITERIA)] = "magnitude"
    group_norm: Literal["l1", "l2"] = "l1"
    prunable: str = r"(?!(.*/)?head/).*kernel"
    exclude: str | None = None
    layouts: tuple[str, ...] = ()
    seed: Seed = 0
    rounds: Positive | None = None
    schedule: Literal["exponential", "linear"] = "exponential"
    data: DataConfig | None = None
    examples: Positive = 512
    batch_size: Positive = 128
    attack: AttackConfig | None = None
    train: TrainConfig | None = None
    control: Control | None = None
    flip_fraction: Fraction = 0.1
    noise_std: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    recalibrate: RecalibrateConfig | None = None
    check: CheckConfig | None = None

    @property
    def _can_link(self) -> bool:
        plain = self.method.name == "omp" and self.criterion == "magnitude"
        return plain and self.scope == "global" and self.control in (None, *OTHER_WEIGHTS)

    @property
    def how(self) -> CriterionEntry:
        """What the criterion says of itself."""
        return CRITERIA[self.criterion]

    @property
    def num_rounds(self) -> int:
        """The number of rounds."""
        if self.rounds is not None:
            return self.rounds
        return 1 if self._n_of_m else self.how.rounds

    @property
    def seeded(self) -> bool:
        """Whether the mask, before a control is made of it, depends on `seed`."""
        return self.how.seeded or self.how.from_data

    @property
    def reads_task(self) -> bool:
        """Whether images are read, of the network's task where `data` is None."""
        asked = self.recalibrate is not None or self.check is not None
        return self.method.trains or self.how.from_data or asked

    @property
    def scores_network(self) -> bool:
        """Whether the criterion runs the network, under the head that it comes with."""
        return self.method.by_criterion and self.how.make is not None

    @property
    def drawn_sparsity(self) -> float:
        """The sparsity of the mask that is drawn, before a control is made of it."""
        return round(1 - self.sparsity, 12) if self.control == "complement" else self.sparsity

    @property
    def _n_of_m(self) -> bool:
        return self.pattern[0].isdigit()

    def omp_options(self) -> dict[str, Any]:
        """Return the keyword arguments that every call of `draw_omp` shares."""
        names = ("pattern", "scope", "floor", "prunable", "exclude", "group_norm")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        """Take the name of a way for its settings."""
        given = (values.kwargs or {}) if isinstance(values, ArgsKwargs) else values
        if not (isinstance(given, Mapping) and isinstance(given.get("method"), str)):
            return values
        named = {**given, "method": {"name": given["method"]}}
        return ArgsKwargs(values.args, named) if isinstance(values, ArgsKwargs) else named

    @model_validator(mode="after")
    def _check(self) -> "DrawConfig":
        self._check_unused()
        parse_names(self.layouts)
        parse_pattern(self.pattern)
        check_floor(self.floor, self.pattern, self.scope)
        for name in ("prunable", "exclude"):
            if (expression := getattr(self, name)) is not None:
                check_expression(expression, name)
        method, name = self.method, self.method.name
        if method.trains and self.train is None:
            raise ValueError(f"method={name!r} trains, so it needs train")
        if not method.by_criterion and (self._n_of_m or self.criterion != "magnitude"):
            raise ValueError(
                f"method={name!r} takes criterion='magnitude' and patterns other than N:M, "
                f"not {self.criterion!r} and {self.pattern!r}"
            )
        if self.scope not in method.scopes:
            known = " or ".join(map(repr, method.scopes))
            raise ValueError(f"method={name!r} takes scope {known}")
        if problems := "; ".join(method.problems(self)):
            raise ValueError(problems)
        if (self.control == "shuffled" and (self._n_of_m or self.pattern.startswith("block"))) or (
            self.control in _PERTURBED and self._n_of_m
        ):
            raise ValueError(
                f"control={self.control!r} would not keep pattern={self.pattern!r}; choose another"
            )
        if self.pattern == "channel_linked" and not self._can_link:
            raise ValueError(
                "pattern='channel_linked' takes method='omp', criterion='magnitude', "
                "scope='global' and no control but of weights, such as 'reinitialised': groups "
                "are of several layers"
            )
        if self.attack and (why := self.attack.why_not_for_training):
            raise ValueError(why)
        if self.num_rounds > 1 and self._n_of_m:
            raise ValueError(f"pattern={self.pattern!r} is drawn in one round")
        if self.how.signed and self.group_norm == "l2":
            raise ValueError(
                f"criterion={self.criterion!r} has scores of both signs; group_norm must be 'l1'"
            )
        return self

    def _check_unused(self) -> None:
        """Refuse settings that would be silently ignored."""
        from_data = self.how.from_data
        unused: tuple[str, ...] = ()
        if not from_data:
            unused += _OF_DATA
        if not self.how.in_rounds:
            unused += _OF_ROUNDS
        if not (self.method.trains or from_data or self.recalibrate):
            unused += ("data",)
        if self.control == "reinitialised":  # a fresh head answers by chance
            unused += ("check",)
        if not self.method.by_criterion:
            unused += ("floor",)
        unused += self.method.unused
        set_anyway = [name for name in unused if getattr(self, name) != getattr(DrawConfig, name)]
        if self.control not in _PERTURBED and self.flip_fraction != DrawConfig.flip_fraction:
            set_anyway.append("flip_fraction")
        if self.control != "weight_noise" and self.noise_std != DrawConfig.noise_std:
            set_anyway.append("noise_std")
        if set_anyway:
            raise ValueError(
                f"method={self.method.name!r} with criterion={self.criterion!r} does not use "
                f"{', '.join(set_anyway)}; leave them out"
            )
