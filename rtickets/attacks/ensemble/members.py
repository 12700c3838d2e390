"""The attacks of the ensemble as data, and the searches that they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rtickets.attacks.apgd import Apgd
from rtickets.attacks.apgd_l1 import ApgdL1
from rtickets.attacks.fab import Fab
from rtickets.attacks.losses import LossName, why_margin
from rtickets.attacks.pgd import Pgd, Rule
from rtickets.attacks.projections import Norm
from rtickets.attacks.radii import check_count, check_length
from rtickets.attacks.search import Search
from rtickets.attacks.square import Square
from rtickets.errors import InputError

Kind = Literal["pgd", "pgd_t", "apgd_ce", "apgd_dlr", "apgd_t", "fab", "fab_t", "square"]
BLACK_BOX = ("square",)


@dataclass(frozen=True)
class Member:
    """One attack of an ensemble.

    Attributes:
        kind: which.
        num_steps: steps of a run; queries of 'square'.
        restarts: number of runs per target.
        num_targets: of 'pgd_t', 'apgd_t' and 'fab_t', classes aimed at one after the other.
        samples: draws of a random model per evaluation, 0 for a model that takes no key.
        step_size: of 'pgd' and 'pgd_t', length of a step in pixel units.
        random_start: of 'pgd' and 'pgd_t', start from a uniform point of the ball.
        loss: of 'pgd' and 'pgd_t', 'ce', 'margin' or 'dlr'.
        rule: of 'pgd' and 'pgd_t', 'steepest' or 'adam'.
        rescale: of 'square', fit its schedule to the number of queries.
    """

    kind: Kind
    num_steps: int = 100
    restarts: int = 1
    num_targets: int | None = None
    samples: int = 0
    step_size: float | None = None
    random_start: bool = True
    loss: LossName = "ce"
    rule: Rule = "steepest"
    rescale: bool = True

    def __post_init__(self) -> None:
        """Raise InputError for settings that cannot be."""
        if self.kind not in get_args(Kind):
            raise InputError(
                f"attack {self.kind!r} is unknown; choose of {', '.join(get_args(Kind))}"
            )
        for field, least in (("num_steps", 1), ("restarts", 1), ("num_targets", 1), ("samples", 0)):
            value = getattr(self, field)
            if value is not None:
                check_count(value, least, field)
        if self._fixed_steps != (self.step_size is not None):
            raise InputError(
                f"step_size={self.step_size} of {self.kind!r}: 'pgd' and 'pgd_t' alone need one"
            )
        if self.kind.endswith("_t") != self.targeted:
            raise InputError(
                f"num_targets={self.num_targets} of {self.kind!r}: 'pgd_t', 'apgd_t' and 'fab_t' "
                "alone need a number"
            )
        check_length(self.step_size or 0.0, "step_size")
        for field, names in (("loss", get_args(LossName)), ("rule", get_args(Rule))):
            value = getattr(self, field)
            if value not in names:
                raise InputError(f"{field}={value!r} is unknown; choose one of {', '.join(names)}")
        if self.restarts > 1 and not self.random_start:
            raise InputError(f"restarts={self.restarts} must be 1 without random_start")
        if self.samples and self.kind in ("fab", "fab_t", "square"):
            raise InputError(
                f"{self.kind} is not defined for random models; use pgd, apgd_ce or apgd_dlr"
            )

    @property
    def targeted(self) -> bool:
        """Whether the attack aims at classes."""
        return self.num_targets is not None

    @property
    def _fixed_steps(self) -> bool:
        return self.kind in ("pgd", "pgd_t")

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError where the attack needs images and a shape (B, ...) is not theirs."""
        if self.kind == "square" and len(shape) != 4:
            raise InputError(
                f"square moves windows of images (B, H, W, C), but the inputs have shape "
                f"{tuple(shape)}; choose other attacks, such as apgd_ce, apgd_t and fab_t, or add "
                "the axes that are missing"
            )

    def why_margin(self, num_classes: int) -> str | None:
        """Say why the margin stands in for the attack's loss, or None where it does not."""
        ratio = self.kind in ("apgd_dlr", "apgd_t") or (self._fixed_steps and self.loss == "dlr")
        return why_margin("dlr", num_classes, targeted=self.targeted) if ratio else None

    def search(self, norm: Norm, num_classes: int) -> Search:
        """Return the search, the same for all restarts.

        Args:
            norm: norm of the ball.
            num_classes: width of the logits.

        Returns:
            The search.
        """
        if self._fixed_steps:
            return Pgd(
                norm, self.num_steps, self.random_start, self.loss, self.targeted, self.rule,
                best=True, samples=self.samples,
            )  # fmt: skip
        if self.kind == "square":
            return Square(norm, self.num_steps, rescale=self.rescale)
        if self.kind in ("fab", "fab_t"):
            return Fab(norm, self.num_steps, self.targeted, num_classes)
        loss: Literal["ce", "dlr"] = "ce" if self.kind == "apgd_ce" else "dlr"
        settings = (self.num_steps, loss, self.targeted, self.samples, num_classes)
        return ApgdL1("l1", *settings) if norm == "l1" else Apgd(norm, *settings)
