"""What an objective is to a configuration: frozen settings that know how it is made and its cost.

An entry of the registry is a subclass with the fields that only it has, and with `make`, which
returns what a step minimises (`rtickets.training.objectives.base.Objective`). What others ask of it
are attributes: which attack it trains and is validated under, how many steps see a batch, what it
costs, what of a run it does not go with. So the loop, the input, dry runs and studies know no
objective by name.

To add one, write a subclass in a file of its own and announce it in
`rtickets.training.objectives.registry`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, Protocol, cast

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.attacks.settings import IMAGE_GRADIENT, AttackConfig
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, Positive
from rtickets.settings.variants import Variant
from rtickets.tasks import Task
from rtickets.tasks.search import check_attackable
from rtickets.training.objectives.base import CLASSIFICATION, REMEMBERED, Objective

AttackStatistics = Literal["frozen", "batch", "batch_and_update"]
_ONCE = {
    "sigma": 0.25, "beta": None, "replays": 4, "collapse": 0.2, "check_steps": 10,
    "attack_statistics": "frozen",
}  # fmt: skip
"""Fields that every stored objective had once, with an attack, whether it used them or not."""


class Trained(Protocol):
    """What an objective may ask of the settings of the run that minimises it."""

    @property
    def statistics(self) -> str:
        """What normalisation uses, see `rtickets.training.settings.TrainConfig`."""
        ...

    @property
    def validate_every(self) -> str:
        """How often validation runs."""
        ...


@dataclass(frozen=True, config=STRICT)
class ObjectiveConfig(Variant):
    """What training minimises: a task's loss on inputs that are changed before.

    Attributes:
        name: which objective.
        label_smoothing: part of the cross-entropy's target that is spread evenly over all classes.
    """

    family: ClassVar[str] = "objective"
    entries: ClassVar[dict[str, Any]] = {}
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    # What others may ask; subclasses say otherwise, or make fields of them.
    attack = cast("AttackConfig | None", None)  # that training is under
    attack_statistics = "frozen"
    stops = False  # it may end a run early, by the validation
    loss_passes = 1  # passes over the batch that the gradient to the weights goes through

    def make(self, task: Task) -> Objective:
        """Return what a step minimises.

        Raises:
            InputError: if the task has not what it needs.
        """
        raise NotImplementedError

    @property
    def changes_inputs(self) -> bool:
        """Whether the loss is taken on other inputs than the task's, near them."""
        return self.attack is not None

    @property
    def batch_replays(self) -> int:
        """The number of steps in a row that see the same batch."""
        return 1

    @property
    def validation_attack(self) -> AttackConfig | None:
        """The attack that validation is under, None for clean inputs."""
        return self.attack

    @property
    def search_passes(self) -> float:
        """Forward passes an input and step before the loss, for dry runs."""
        return 0.0

    def passes_per_step(self, loss_pass: float) -> float:
        """Return how many forward passes a step takes per input.

        Args:
            loss_pass: those of one pass that a gradient to the weights goes through.
        """
        return self.loss_passes * loss_pass + self.search_passes

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the fields together, in words."""
        if self.attack is not None and (why := self.attack.why_not_for_training):
            yield why

    def conflicts(self, train: Trained) -> Iterator[str]:
        """Yield what keeps a run from minimising it, in words."""
        if train.statistics == "frozen" and self.attack_statistics != "frozen":
            yield (
                f"objective.attack_statistics={self.attack_statistics!r} attacks another network "
                "than statistics='frozen' trains; set it to 'frozen'"
            )

    def check_lengths(self, shape: Sequence[int]) -> None:
        """Raise InputError for a radius or step of the attack that is certainly a mistake.

        Args:
            shape: (H, W, C) of the images.
        """
        if self.attack is not None:
            self.attack.check_lengths(f"objective {self.name!r}", shape)

    @classmethod
    def _upgraded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        own = cls.__dataclass_fields__
        once = {k for k, v in _ONCE.items() if k in values and values[k] == v}
        if "attack" in values and "attack" not in own and _was_unused(values["attack"]):
            once.add("attack")
        return {k: v for k, v in values.items() if k not in once or (k in own and v is not None)}

    @model_validator(mode="after")
    def _check(self) -> "ObjectiveConfig":
        if problems := "; ".join(self.problems()):
            raise ValueError(problems)
        return self


def _was_unused(attack: Any) -> bool:
    """Whether an attack is the one that objectives without an attack were stored with once."""
    try:
        return bool(TypeAdapter(AttackConfig).validate_python(attack) == PgdSettings(num_steps=7))
    except ValueError:
        return False


def make_objective(config: ObjectiveConfig, task: Task = CLASSIFICATION) -> Objective:
    """Return the objective of a configuration; it smooths the task's targets, `make` does not.

    What the memory of a task holds is carried in its place, the same on all devices.
    """
    if config.changes_inputs:
        check_attackable(task, f"objective.name={config.name!r}", "choose 'natural'")
    smoothing = config.label_smoothing
    found = config.make(task.smoothed(smoothing) if smoothing else task)
    if task.memory is None:
        return found
    if found.carry is not None:
        raise InputError(
            f"objective.name={config.name!r} takes something along from step to step, and so does "
            f"the task {task.name!r}; choose an objective that does not, such as 'pgd'"
        )
    return found._replace(carry=REMEMBERED)


@dataclass(frozen=True, config=STRICT)
class Searched(ObjectiveConfig):
    """An objective with an inner maximisation.

    Attributes:
        attack: the inner maximisation, one of the pgd family.
        attack_statistics: while attacking, normalisation uses 'frozen' running statistics, those of
            the attacked 'batch', or these and folds them into the running ones
            ('batch_and_update').
    """

    attack: AttackConfig = field(default_factory=lambda: PgdSettings(num_steps=7))
    attack_statistics: AttackStatistics = "frozen"

    @property
    def search_passes(self) -> float:
        """A gradient to the images at every evaluation."""
        return IMAGE_GRADIENT * self.attack.training_evaluations


@dataclass(frozen=True, config=STRICT)
class OneStep(ObjectiveConfig):
    """An objective whose attack takes one step, which is no measure of what it trains.

    Attributes:
        check_steps: steps of the PGD attack, with the norm and radius of `attack`, that validation
            is under.
    """

    check_steps: Positive = 10

    @property
    def validation_attack(self) -> AttackConfig:
        """More steps than training takes."""
        assert self.attack is not None
        return PgdSettings(norm=self.attack.norm, eps=self.attack.eps, num_steps=self.check_steps)
