"""Configurations of attacks and of certification."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.config.fields import STRICT, Fraction, NotNegative, Positive
from rtickets.errors import InputError

_STEPS = {"pgd": 10, "fgsm": 1, "fgsm_rs": 1, "square": 5000}


@dataclass(frozen=True, config=STRICT)
class AttackConfig:
    """An attack in a ball. Fields that an attack does not use keep their defaults.

    Attributes:
        name: 'pgd', its one-step forms 'fgsm' and 'fgsm_rs', the attacks of the ensemble 'apgd_ce',
            'apgd_dlr', 'apgd_t', 'fab_t' and 'square', or the whole ensemble, 'autoattack'.
        norm: 'linf', 'l2' or 'l1'.
        eps: radius in pixel units.
        num_steps: number of steps; None is 10 for 'pgd', 5000 queries for 'square', else 100.
        step_size: of 'pgd' and 'fgsm_rs', length of a step; None is 2.5 eps / num_steps (Madry et
            al. 2018) and 1.25 eps (Wong et al. 2020).
        random_start: of 'pgd', start from a uniform point of the ball.
        loss: of 'pgd', what is maximised: 'ce', 'margin' or 'dlr'.
        rule: of 'pgd', 'steepest' ascent or 'adam'.
        best: of 'pgd' in training, return the worst image of all that were visited, instead of the
            last, for one more evaluation; evaluations always do.
        restarts: runs from different random points.
        num_targets: classes that 'apgd_t' and 'fab_t' aim at.
        version: of 'autoattack': 'standard', 'plus', or 'fast', see `rtickets.attacks.MEMBERS`.
        radii: in an evaluation, further radii to measure at, for a curve; the step follows.
    """

    name: Literal[
        "pgd", "fgsm", "fgsm_rs", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square", "autoattack"
    ] = "pgd"
    norm: Literal["linf", "l2", "l1"] = "linf"
    eps: NotNegative = 8 / 255
    num_steps: Positive | None = None
    step_size: NotNegative | None = None
    random_start: bool = True
    loss: Literal["ce", "margin", "dlr"] = "ce"
    rule: Literal["steepest", "adam"] = "steepest"
    best: bool = False
    restarts: Positive = 1
    num_targets: Positive = 9
    version: Literal["standard", "plus", "fast"] = "standard"
    radii: tuple[NotNegative, ...] = ()

    @property
    def steps(self) -> int:
        """The number of steps."""
        return _STEPS.get(self.name, 100) if self.num_steps is None else self.num_steps

    @property
    def step(self) -> float:
        """The length of a step of the one-step and fixed-step attacks, in pixel units."""
        if self.step_size is not None:
            return self.step_size
        return {"fgsm": 1.0, "fgsm_rs": 1.25}.get(self.name, 2.5 / self.steps) * self.eps

    def as_pgd(self) -> dict[str, Any]:
        """Return the keyword arguments of `rtickets.attacks.pgd` for an attack of its family.

        Raises:
            InputError: for another attack.
        """
        if self.name not in ("pgd", "fgsm", "fgsm_rs"):
            raise InputError(
                f"attack {self.name!r} is for evaluations alone; choose 'pgd', 'fgsm' or 'fgsm_rs'"
            )
        return {
            "eps": self.eps,
            "step_size": self.step,
            "num_steps": self.steps,
            "norm": self.norm,
            "random_start": self.random_start and self.name != "fgsm",
            "loss": self.loss,
            "rule": self.rule,
            "best": self.best,
        }

    @model_validator(mode="after")
    def _check(self) -> "AttackConfig":
        users = {
            "num_steps": ("pgd", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"),
            "step_size": ("pgd", "fgsm_rs"),
            "random_start": ("pgd",),
            "loss": ("pgd",),
            "rule": ("pgd",),
            "best": ("pgd",),
            "restarts": ("pgd", "fgsm_rs", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"),
            "num_targets": ("apgd_t", "fab_t"),
            "version": ("autoattack",),
        }
        unused = [
            field
            for field, names in users.items()
            if self.name not in names and getattr(self, field) != getattr(AttackConfig, field)
        ]
        if unused:
            raise ValueError(f"attack {self.name!r} does not use {', '.join(unused)}; leave it out")
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"restarts={self.restarts} are all alike without random_start")
        return self


@dataclass(frozen=True, config=STRICT)
class SmoothingConfig:
    """Certification by randomized smoothing (Cohen et al. 2019).

    Attributes:
        sigma: standard deviation of the noise, in pixel units.
        selection_samples: noisy copies that choose the class.
        samples: noisy copies that bound its probability; 100,000 in the paper.
        alpha: probability that a certificate is wrong.
        radii: L2 radii in pixel units at which certified accuracy is reported.
        examples: measure on so many images only, spread evenly over the split; None takes all.
        batch_size: noisy copies per call.
    """

    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.25
    selection_samples: Positive = 100
    samples: Positive = 10_000
    alpha: Fraction = 0.001
    radii: tuple[NotNegative, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    examples: Positive | None = 500
    batch_size: Positive = 256
