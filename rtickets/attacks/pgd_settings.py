"""Settings of projected gradient descent and its targeted and one-step forms."""

from typing import Any, Literal, cast

from pydantic.dataclasses import dataclass

from rtickets.attacks.losses import LossName
from rtickets.attacks.pgd import Pgd, Rule
from rtickets.attacks.projections import Norm
from rtickets.attacks.settings import Noisy, Repeated
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, NotNegative, Positive


@dataclass(frozen=True, config=STRICT)
class PgdFamily(Noisy):
    """What the forms of PGD have in common: steps of a length that does not change."""

    plain = True
    step_size = cast("float | None", None)
    random_start = True
    loss = "ce"
    rule = "steepest"
    best = False
    relative_step = 1.0

    @property
    def step(self) -> float:
        """The length of a step, in pixel units."""
        return self.relative_step * self.eps if self.step_size is None else self.step_size

    def member_fields(self) -> dict[str, Any]:
        """Return step, start, loss and rule."""
        names = ("random_start", "loss", "rule")
        return {"step_size": self.step, **{name: getattr(self, name) for name in names}}

    @property
    def training_evaluations(self) -> int:
        """One per step, and one of the last image for `best`."""
        return self.steps + self.best

    @property
    def why_not_for_training(self) -> str | None:
        """Restarts, radii and noise are for evaluations, and so are targets."""
        one_run = self.restarts == 1 and not self.radii and not self.input_noise
        return None if one_run and self.targets is None else super().why_not_for_training

    @property
    def needs_classes(self) -> bool:
        """Targets, losses of logits and averages of logits over noise do."""
        return self.targets is not None or self.loss != "ce" or self.input_noise > 0

    def as_pgd(self) -> dict[str, Any]:
        """Return the keyword arguments of `rtickets.attacks.pgd` for an attack of training.

        Raises:
            InputError: for one that is for evaluations alone.
        """
        if why := self.why_not_for_training:
            raise InputError(why)
        names = ("norm", "random_start", "loss", "rule", "best")
        own = {name: getattr(self, name) for name in names}
        return {"eps": self.eps, "step_size": self.step, "num_steps": self.steps, **own}


@dataclass(frozen=True, config=STRICT)
class ManySteps(PgdFamily, Repeated):
    """PGD of many steps.

    Attributes:
        step_size: length of a step; None is 2.5 eps / num_steps (Madry et al. 2018).
        random_start: start from a uniform point of the ball.
        loss: what is maximised: 'ce', 'margin' or 'dlr'.
        rule: 'steepest' ascent or 'adam'.
    """

    usual_steps = 10
    step_size: NotNegative | None = None
    random_start: bool = True
    loss: LossName = "ce"
    rule: Rule = "steepest"

    @property
    def step(self) -> float:
        """The length of a step, in pixel units."""
        return 2.5 / self.steps * self.eps if self.step_size is None else self.step_size

    @property
    def loss_name(self) -> LossName:
        """The loss that is maximised."""
        return self.loss

    def search(self, norm: Norm, num_classes: int, samples: int) -> Pgd:
        """Return PGD that keeps the worst image."""
        return Pgd(
            norm, self.steps, self.random_start, self.loss, self.targets is not None, self.rule,
            best=True, samples=samples,
        )  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class PgdSettings(ManySteps):
    """PGD away from the label (Madry et al. 2018).

    Attributes:
        best: in training, return the worst image of all that were visited, instead of the last,
            for one more evaluation; evaluations always do.
    """

    name: Literal["pgd"] = "pgd"
    best: bool = False


@dataclass(frozen=True, config=STRICT)
class PgdTargetedSettings(ManySteps):
    """PGD towards one likely class after the other.

    Attributes:
        num_targets: classes that it aims at.
    """

    name: Literal["pgd_t"] = "pgd_t"
    num_targets: Positive = 9


@dataclass(frozen=True, config=STRICT)
class FgsmSettings(PgdFamily):
    """One step of the length of the radius (Goodfellow et al. 2015)."""

    name: Literal["fgsm"] = "fgsm"
    usual_steps, is_search, random_start = 1, False, False

    @property
    def kind(self) -> str:
        """It is PGD."""
        return "pgd"


@dataclass(frozen=True, config=STRICT)
class FgsmRsSettings(PgdFamily):
    """One step from a random point of the ball (Wong et al. 2020).

    Attributes:
        step_size: length of the step; None is 1.25 eps.
        restarts: runs from different random points.
    """

    name: Literal["fgsm_rs"] = "fgsm_rs"
    usual_steps, is_search, relative_step = 1, False, 1.25
    step_size: NotNegative | None = None
    restarts: Positive = 1

    @property
    def kind(self) -> str:
        """It is PGD."""
        return "pgd"
