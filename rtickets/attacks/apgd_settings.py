"""Settings of Auto-PGD, whose search in L1 is another."""

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from rtickets.attacks.apgd import Apgd
from rtickets.attacks.apgd_l1 import ApgdL1
from rtickets.attacks.losses import LossName
from rtickets.attacks.projections import Norm
from rtickets.attacks.settings import Noisy, Repeated
from rtickets.settings.kinds import STRICT, Positive


@dataclass(frozen=True, config=STRICT)
class AutoPgd(Noisy, Repeated):
    """PGD that chooses its own steps (Croce & Hein 2020; in L1 Croce & Hein 2021)."""

    plain = True
    maximised: ClassVar[LossName] = "dlr"

    def search(self, norm: Norm, num_classes: int, samples: int) -> Apgd | ApgdL1:
        """Return the search of the norm."""
        settings = (self.steps, self.maximised, self.targets is not None, samples, num_classes)
        return ApgdL1("l1", *settings) if norm == "l1" else Apgd(norm, *settings)

    @property
    def loss_name(self) -> LossName:
        """The loss that is maximised."""
        return self.maximised


@dataclass(frozen=True, config=STRICT)
class ApgdCeSettings(AutoPgd):
    """Auto-PGD on the cross-entropy."""

    name: Literal["apgd_ce"] = "apgd_ce"
    maximised: ClassVar[LossName] = "ce"


@dataclass(frozen=True, config=STRICT)
class ApgdDlrSettings(AutoPgd):
    """Auto-PGD on the difference of logits ratio."""

    name: Literal["apgd_dlr"] = "apgd_dlr"


@dataclass(frozen=True, config=STRICT)
class ApgdTargetedSettings(AutoPgd):
    """Auto-PGD on the targeted ratio, one likely class after the other.

    Attributes:
        num_targets: classes that it aims at.
    """

    name: Literal["apgd_t"] = "apgd_t"
    num_targets: Positive = 9
