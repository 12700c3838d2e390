"""Settings of attacks."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.lengths import why_not_noise, why_not_radius, why_not_step
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, NotNegative, Positive

_STEPS = {"pgd": 10, "pgd_t": 10, "fgsm": 1, "fgsm_rs": 1, "square": 5000}
_SEARCHES = ("pgd", "pgd_t", "apgd_ce", "apgd_dlr", "apgd_t", "fab", "fab_t", "square")
_USERS = {
    "num_steps": _SEARCHES,
    "step_size": ("pgd", "pgd_t", "fgsm_rs"),
    "random_start": ("pgd", "pgd_t"),
    "loss": ("pgd", "pgd_t"),
    "rule": ("pgd", "pgd_t"),
    "best": ("pgd",),
    "restarts": (*_SEARCHES, "fgsm_rs"),
    "num_targets": ("pgd_t", "apgd_t", "fab_t"),
    "version": ("autoattack",),
    "input_noise": (
        "pgd", "pgd_t", "fgsm", "fgsm_rs", "apgd_ce", "apgd_dlr", "apgd_t", "autoattack",
    ),
}  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class AttackConfig:
    """An attack in a ball. Fields that an attack does not use keep their defaults.

    Attributes:
        name: 'pgd', its one-step forms 'fgsm' and 'fgsm_rs' and its targeted one 'pgd_t', the
            attacks of the ensembles 'apgd_ce', 'apgd_dlr', 'apgd_t', 'fab', 'fab_t' and 'square',
            or a whole ensemble, 'autoattack'.
        norm: 'linf', 'l2' or 'l1'.
        eps: radius in pixel units.
        num_steps: number of steps; None is 10 for 'pgd' and 'pgd_t', 5000 queries for 'square',
            and 100 for the others.
        step_size: of 'pgd', 'pgd_t' and 'fgsm_rs', length of a step; None is 2.5 eps / num_steps
            (Madry et al. 2018), for 'fgsm_rs' 1.25 eps (Wong et al. 2020).
        random_start: of 'pgd' and 'pgd_t', start from a uniform point of the ball.
        loss: of 'pgd' and 'pgd_t', what is maximised: 'ce', 'margin' or 'dlr'.
        rule: of 'pgd' and 'pgd_t', 'steepest' ascent or 'adam'.
        best: of 'pgd' in training, return the worst image of all that were visited, instead of the
            last, for one more evaluation; evaluations always do.
        restarts: runs from different random points.
        num_targets: classes that 'pgd_t', 'apgd_t' and 'fab_t' aim at.
        version: of 'autoattack': 'standard', 'plus', 'fast', or 'rand' for random networks, see
            `rtickets.attacks.MEMBERS`.
        radii: in an evaluation, further radii to measure at, for a curve; the step follows.
        input_noise: in an evaluation, attack the network with Gaussian noise of this standard
            deviation on its input, in pixel units, drawn anew at every evaluation.
        samples: with input_noise, draws that gradients and losses are averaged over (expectation
            over transformation, Athalye et al. 2018); the accuracy is the mean over at least 100
            fresh draws per image.
    """

    name: Literal[
        "pgd", "pgd_t", "fgsm", "fgsm_rs", "apgd_ce", "apgd_dlr", "apgd_t", "fab", "fab_t",
        "square", "autoattack",
    ] = "pgd"  # fmt: skip
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
    version: Literal["standard", "plus", "fast", "rand"] = "standard"
    radii: tuple[NotNegative, ...] = ()
    input_noise: NotNegative = 0.0
    samples: Positive = 20

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

    @property
    def starts_at_random(self) -> bool:
        """Whether the attacks of PGD's family start from a random point."""
        return self.random_start and self.name != "fgsm"

    @property
    def targeted(self) -> bool:
        """Whether it aims at classes."""
        return self.name.endswith("_t")

    @property
    def why_not_for_training(self) -> str | None:
        """Say why it is for evaluations alone, or None where it is not."""
        one_run = self.restarts == 1 and not self.radii and not self.input_noise
        if self.name in ("pgd", "fgsm", "fgsm_rs") and one_run:
            return None
        return (
            f"attack {self.name!r} with {self.restarts} restarts, radii={self.radii} and "
            f"input_noise={self.input_noise:g} is not for training; choose 'pgd', 'fgsm' or "
            "'fgsm_rs' without restarts, radii and noise"
        )

    def as_pgd(self) -> dict[str, Any]:
        """Return the keyword arguments of `rtickets.attacks.pgd` for an attack of training.

        Raises:
            InputError: for another attack.
        """
        if why := self.why_not_for_training:
            raise InputError(why)
        return {
            "eps": self.eps,
            "step_size": self.step,
            "num_steps": self.steps,
            "norm": self.norm,
            "random_start": self.starts_at_random,
            "loss": self.loss,
            "rule": self.rule,
            "best": self.best,
        }

    @model_validator(mode="after")
    def _check(self) -> "AttackConfig":
        unused = [
            field
            for field, names in _USERS.items()
            if self.name not in names and getattr(self, field) != getattr(AttackConfig, field)
        ]
        if unused:
            raise ValueError(f"attack {self.name!r} does not use {', '.join(unused)}; leave it out")
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"restarts={self.restarts} are all alike without random_start")
        if not self.input_noise and self.samples != AttackConfig.samples:
            raise ValueError(f"samples={self.samples} are all alike without input_noise; set both")
        if self.name == "autoattack" and (self.version == "rand") != (self.input_noise > 0):
            raise ValueError(
                f"version={self.version!r} with input_noise={self.input_noise}: 'rand' is for "
                "random networks and the other versions are not; set both or neither"
            )
        if problems := "; ".join(self._too_long(None)):
            raise ValueError(problems)
        return self

    def _too_long(self, shape: Sequence[int] | None) -> Iterator[str]:
        """Yield what is certainly wrong with lengths, for images of a shape (H, W, C) if known."""
        ratio = 0.0 if self.step_size is None else self.step_size / (self.eps or 1.0)
        checked = (
            why_not_radius(self.eps, self.norm, shape),
            *(why_not_radius(radius, self.norm, shape, "radii") for radius in self.radii),
            why_not_step(self.step_size or 0.0, self.eps, self.norm, shape),
            *(
                why_not_step(ratio * radius, radius, self.norm, shape, f"step_size at {radius:g}")
                for radius in self.radii
                if self.eps  # else the step is the same at all radii
            ),
            why_not_noise(self.input_noise, "input_noise"),
        )
        yield from filter(None, checked)

    def check_lengths(self, label: str, shape: Sequence[int]) -> None:
        """Check radii and step where the shape of images is known, which bounds 'l2' and 'l1' too.

        Args:
            label: what the attack is called.
            shape: (H, W, C).

        Raises:
            InputError: for lengths that are certainly mistakes.
        """
        if problems := "; ".join(self._too_long(shape)):
            raise InputError(f"{label}: {problems}")
