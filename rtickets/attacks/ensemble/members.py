"""The attacks of the ensemble as data, and the searches that they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from rtickets.attacks.losses import LossName, why_margin
from rtickets.attacks.pgd import Rule
from rtickets.attacks.projections import Norm
from rtickets.attacks.radii import check_count, check_length
from rtickets.attacks.registry import ATTACKS
from rtickets.attacks.search import Search
from rtickets.attacks.settings import AttackConfig
from rtickets.errors import InputError


def searches() -> tuple[str, ...]:
    """Return the attacks of the registry that an ensemble can be made of."""
    return tuple(name for name, entry in ATTACKS.items() if entry.is_search)


def without_gradients() -> tuple[str, ...]:
    """Return those of them that need no gradients."""
    return tuple(name for name in searches() if ATTACKS[name].black_box)


@dataclass(frozen=True)
class Member:
    """One attack of an ensemble.

    Attributes:
        kind: which, an entry of `rtickets.attacks.registry` with a search.
        num_steps: steps of a run; queries of 'square'.
        restarts: number of runs per target.
        num_targets: of 'pgd_t', 'apgd_t' and 'fab_t', classes aimed at one after the other.
        samples: draws of a random model per evaluation, 0 for a model that takes no key.
        step_size: of 'pgd' and 'pgd_t', length of a step in pixel units.
        random_start: of 'pgd' and 'pgd_t', start from a uniform point of the ball.
        loss: of 'pgd' and 'pgd_t', 'ce', 'margin' or 'dlr'.
        rule: of 'pgd' and 'pgd_t', 'steepest' or 'adam'.
        rescale: of 'square', fit its schedule to the number of queries.
        settings: the attack's own settings, where it has others than these.
    """

    kind: str
    num_steps: int = 100
    restarts: int = 1
    num_targets: int | None = None
    samples: int = 0
    step_size: float | None = None
    random_start: bool = True
    loss: LossName = "ce"
    rule: Rule = "steepest"
    rescale: bool = True
    settings: AttackConfig | None = None

    def __post_init__(self) -> None:
        if self.kind not in searches():
            raise InputError(f"attack {self.kind!r} is unknown; choose of {', '.join(searches())}")
        for field, least in (("num_steps", 1), ("restarts", 1), ("num_targets", 1), ("samples", 0)):
            value = getattr(self, field)
            if value is not None:
                check_count(value, least, field)
        for field in ("step_size", "num_targets"):
            if self._has(field) != (getattr(self, field) is not None):
                users = " and ".join(repr(n) for n in searches() if field in _fields(n))
                raise InputError(
                    f"{field}={getattr(self, field)} of {self.kind!r}: {users} alone need a number"
                )
        check_length(self.step_size or 0.0, "step_size")
        for field, names in (("loss", get_args(LossName)), ("rule", get_args(Rule))):
            value = getattr(self, field)
            if value not in names:
                raise InputError(f"{field}={value!r} is unknown; choose one of {', '.join(names)}")
        if self.restarts > 1 and not self.random_start:
            raise InputError(f"restarts={self.restarts} must be 1 without random_start")
        if self.samples and not self._has("samples"):
            raise InputError(
                f"{self.kind} is not defined for random models; use pgd, apgd_ce or apgd_dlr"
            )

    @property
    def targeted(self) -> bool:
        """Whether the attack aims at classes."""
        return self.num_targets is not None

    @property
    def black_box(self) -> bool:
        """Whether the attack goes without gradients."""
        return ATTACKS[self.kind].black_box

    @property
    def own(self) -> AttackConfig:
        """The attack's settings but for its radius: those given, or what the other fields say."""
        if self.settings is not None:
            return self.settings
        names = "num_steps", "restarts", "num_targets", "random_start", "loss", "rule", "rescale"
        values: dict[str, Any] = {n: getattr(self, n) for n in names if self._has(n)}
        return ATTACKS[self.kind](**values)

    def _has(self, field: str) -> bool:
        return field in _fields(self.kind)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError where the attack needs images and a shape (B, ...) is not theirs."""
        if ATTACKS[self.kind].needs_images and len(shape) != 4:
            raise InputError(
                f"{self.kind} moves windows of images (B, H, W, C), but the inputs have shape "
                f"{tuple(shape)}; choose other attacks, such as apgd_ce, apgd_t and fab_t, or add "
                "the axes that are missing"
            )

    def why_margin(self, num_classes: int) -> str | None:
        """Say why the margin stands in for the attack's loss, or None where it does not."""
        ratio = self.own.loss_name == "dlr"
        return why_margin("dlr", num_classes, targeted=self.targeted) if ratio else None

    def search(self, norm: Norm, num_classes: int) -> Search:
        """Return the search, the same for all restarts."""
        return self.own.search(norm, num_classes, self.samples)


def _fields(name: str) -> tuple[str, ...]:
    return tuple(ATTACKS[name].__dataclass_fields__)
