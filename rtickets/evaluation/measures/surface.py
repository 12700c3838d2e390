"""How fast the loss rises around a network, on clean and on attacked examples."""

from typing import Annotated, Any, Literal

import jax
import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.settings import AttackConfig
from rtickets.errors import InputError
from rtickets.evaluation.measures.base import Asked, MeasureConfig, mean_of
from rtickets.evaluation.predict import Examples
from rtickets.evaluation.subject import spread
from rtickets.evaluation.surface import direction, grid, loss_surface
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured
from rtickets.tasks.search import check_attackable


@dataclass(frozen=True, config=STRICT)
class SurfaceSettings(MeasureConfig):
    """The loss on a plane through the weights, see `rtickets.evaluation.surface`.

    The values are the `loss` of the network, and its `rise`, the mean over the points of the grid
    within `radius` less that; with an attack likewise `adversarial_loss` and `adversarial_rise`.
    The table `surface` has the mean loss at every point, which reports draw.

    Attributes:
        examples: measured on so many examples, spread evenly.
        radius: how far the grid goes, as a part of the length of every filter.
        points: of the grid in each direction, an odd number.
        attack: of the pgd family; examples are attacked at every point anew. None attacks nothing.
    """

    name: Literal["surface"] = "surface"
    examples: Positive = 100
    radius: Annotated[float, Field(gt=0, le=100)] = 1.0
    points: Annotated[int, Field(ge=3, le=101)] = 11
    attack: AttackConfig | None = None

    @model_validator(mode="after")
    def _check(self) -> "SurfaceSettings":
        if self.points % 2 == 0:
            raise ValueError(
                f"points={self.points} leaves the network between points; give an odd number"
            )
        if self.attack is not None and (why := self.attack.why_not_for_training):
            raise ValueError(why)
        return self

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """One of every example and point, and what the attack takes."""
        attack = 0 if self.attack is None else 1 + 3.0 * self.attack.steps
        return self.points**2 * (1.0 + attack) * self.examples_of(examples)

    def check(self, examples: Examples) -> None:
        """Refuse losses that compare examples, and attacks where there is nothing to attack."""
        task = examples.task
        if task.comparison is not None:
            raise InputError(
                f"the measure 'surface' is of losses of single examples, and the task {task.name!r}"
                " compares them; transfer the ticket, and measure it there"
            )
        if self.attack is not None:
            what = "attack of the measure 'surface'"
            check_attackable(task, what, "leave it out")
            spec = task.input_spec(examples.transform, examples.split.spec)
            self.attack.check_lengths(what, spec[0].shape)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return losses and rises, and keep the table."""
        first, second = jax.random.split(jax.random.key(asked.seed))
        plane = tuple(direction(asked.network.params, key) for key in (first, second))
        coordinates = grid(self.radius, self.points)
        attacks: dict[str, dict[str, Any] | None] = {"": None}
        if self.attack is not None:
            attacks["adversarial_"] = self.attack.as_pgd()
        options: dict[str, Any] = {
            "chosen": spread(len(asked.examples.split), self.examples),
            "batch_size": min(asked.batch_size, self.examples),
            "seed": asked.seed,
        }
        losses = {
            prefix: loss_surface(asked.network, asked.examples, plane, coordinates, pgd, **options)
            for prefix, pgd in attacks.items()
        }
        self._check_finite(losses)
        asked.tabulate("surface", _table(coordinates, losses))
        return self._values(coordinates, losses)

    def _check_finite(self, losses: dict[str, np.ndarray]) -> None:
        if not all(np.isfinite(each).all() for each in losses.values()):
            raise InputError(
                f"the measure 'surface': the loss is not finite within radius={self.radius} of the "
                "network; set a smaller radius"
            )

    def _values(self, at: np.ndarray, losses: dict[str, np.ndarray]) -> dict[str, Measured]:
        middle = self.points // 2
        near = np.hypot(*np.meshgrid(at, at)) <= self.radius * (1 + 1e-9)
        found = {}
        for prefix, each in losses.items():
            own = each[middle, middle]
            found[f"{prefix}loss"] = mean_of(own, "", False)
            found[f"{prefix}rise"] = mean_of(each[near].mean(0) - own, "", None)
        return found


def _table(at: np.ndarray, losses: dict[str, np.ndarray]) -> list[dict[str, float]]:
    return [
        {
            "first": float(a),
            "second": float(b),
            **{f"{prefix}loss": float(each[i, j].mean()) for prefix, each in losses.items()},
        }
        for i, a in enumerate(at)
        for j, b in enumerate(at)
    ]
