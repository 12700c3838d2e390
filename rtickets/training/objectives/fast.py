"""Fast adversarial training: one step from a random start, stopped before it overfits.

One-step training can collapse within an epoch: the network learns to resist the step alone, and its
accuracy under PGD falls to nothing (catastrophic overfitting). It shows in the PGD accuracy on
training images that are held out, the validation split.
"""

from collections.abc import Iterator
from dataclasses import field
from functools import partial
from typing import Literal

from pydantic.dataclasses import dataclass

from rtickets.attacks import Norm
from rtickets.attacks.pgd_settings import FgsmRsSettings
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, Fraction, is_never
from rtickets.tasks import Task
from rtickets.tasks.units import SHARE
from rtickets.training.objectives.base import CLASSIFICATION, Objective, Stop
from rtickets.training.objectives.pgd import adversarial
from rtickets.training.objectives.settings import OneStep, Searched, Trained


def fast(
    task: Task = CLASSIFICATION,
    *,
    eps: float,
    step_size: float | None = None,
    norm: Norm = "linf",
    collapse: float = 0.2,
) -> Objective:
    """Return the loss on FGSM examples from a uniform start (Wong et al. 2020, algorithm 3).

    Args:
        step_size: length of the step; None is 1.25 eps, the published choice.
        collapse: the run ends when the score under PGD falls by more than this between two
            validations.
    """
    step = 1.25 * eps if step_size is None else step_size
    attacked = adversarial(task, eps=eps, step_size=step, num_steps=1, norm=norm)
    return attacked._replace(stop=Stop("collapsed", partial(has_collapsed, most=collapse)))


def has_collapsed(before: float | None, now: float, most: float) -> bool:
    """Return whether the score under PGD fell by more than `most`, 0.2 in the authors' code."""
    return before is not None and now < before - most


@dataclass(frozen=True, config=STRICT)
class Fast(OneStep, Searched):
    """The loss after one step from a random start (Wong et al. 2020), until it collapses.

    Attributes:
        attack: the step; it is always 'fgsm_rs'.
        collapse: training stops when the validation score under PGD, a share, falls by more than
            this from one validation to the next, and returns weights from before.
    """

    name: Literal["fast"] = "fast"
    attack: FgsmRsSettings = field(default_factory=FgsmRsSettings)
    collapse: Fraction = 0.2
    stops = True

    def make(self, task: Task) -> Objective:
        """Return `fast`.

        Raises:
            InputError: for a task whose headline is no share, as `collapse` is one.
        """
        headline, attack = task.headline, self.attack
        if headline.unit != SHARE:
            unit = f"in {headline.unit}" if headline.unit else "without a unit"
            raise InputError(
                f"objective 'fast' stops where a share falls by collapse={self.collapse}, but "
                f"{headline.called} of {type(task).__name__} is {unit}; choose another "
                "objective.name, such as 'pgd' with the attack 'fgsm_rs'"
            )
        return fast(
            task, eps=attack.eps, step_size=attack.step, norm=attack.norm, collapse=self.collapse
        )

    def conflicts(self, train: Trained) -> Iterator[str]:
        """Yield that a collapse could not be seen."""
        if is_never(train.validate_every):
            yield "objective 'fast' needs validate_every to see a collapse, for instance '1ep'"
        yield from super().conflicts(train)
