"""Settings of a whole ensemble."""

from typing import Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.settings import Noisy
from rtickets.settings.kinds import STRICT


@dataclass(frozen=True, config=STRICT)
class AutoattackSettings(Noisy):
    """The worst case over several attacks (Croce & Hein 2020).

    Attributes:
        version: 'standard', 'plus', 'fast', or 'rand' for random networks, see
            `rtickets.attacks.MEMBERS`.
    """

    name: Literal["autoattack"] = "autoattack"
    version: Literal["standard", "plus", "fast", "rand"] = "standard"
    is_search = False

    @property
    def ensemble(self) -> str:
        """The version."""
        return self.version

    @model_validator(mode="after")
    def _check_version(self) -> "AutoattackSettings":
        if (self.version == "rand") != (self.input_noise > 0):
            raise ValueError(
                f"version={self.version!r} with input_noise={self.input_noise}: 'rand' is for "
                "random networks and the other versions are not; set both or neither"
            )
        return self
