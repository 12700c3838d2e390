"""Settings of SegPGD, projected gradient descent on answers that are many in one."""

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from rtickets.attacks.pgd import Rule
from rtickets.attacks.pgd_settings import PgdFamily
from rtickets.attacks.settings import Repeated
from rtickets.settings.kinds import STRICT, NotNegative

SEGPGD = "segpgd"
"""What the loss of PGD is called that weights answers, which only tasks know."""


@dataclass(frozen=True, config=STRICT)
class SegPgdSettings(PgdFamily, Repeated):
    """SegPGD (Gu et al. 2022): pixels that are still right first, all alike in the end.

    What is raised and what the worst image is chosen by says the task, see `Task.ascent`. Of an
    image with one answer it is PGD, whose steps are as long however its one loss is weighted.

    Attributes:
        step_size: length of a step; None is 2.5 eps / num_steps.
        random_start: start from a uniform point of the ball.
        rule: 'steepest' ascent or 'adam'.
        best: in training, return the worst image of all that were visited, instead of the last,
            for one more evaluation; evaluations always do.
    """

    name: Literal["segpgd"] = "segpgd"
    usual_steps, is_search = 10, False
    step_size: NotNegative | None = None
    random_start: bool = True
    rule: Rule = "steepest"
    best: bool = False

    @property
    def step(self) -> float:
        """The length of a step, in pixel units."""
        return 2.5 / self.steps * self.eps if self.step_size is None else self.step_size

    @property
    def kind(self) -> str:
        """It is PGD where there is one answer."""
        return "pgd"

    def as_pgd(self) -> dict[str, Any]:
        """Return the keyword arguments of an attack of training on a task, see `TaskPgd`."""
        return {**super().as_pgd(), "loss": SEGPGD}
