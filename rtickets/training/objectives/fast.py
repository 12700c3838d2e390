"""Fast adversarial training: one step from a random start, stopped before it overfits.

One-step training can collapse within an epoch: the network learns to resist the step alone, and its
accuracy under PGD falls to nothing (catastrophic overfitting). It shows in the PGD accuracy on
training images that are held out, the validation split.
"""

from rtickets.attacks import Norm
from rtickets.training.objectives.adversarial import adversarial
from rtickets.training.objectives.base import Objective


def fast(
    *,
    eps: float,
    step_size: float | None = None,
    norm: Norm = "linf",
    label_smoothing: float = 0.0,
) -> Objective:
    """Return cross-entropy on FGSM examples from a uniform start (Wong et al. 2020, algorithm 3).

    Args:
        eps: radius in pixel units.
        step_size: length of the step; None is 1.25 eps, the published choice.
        norm: 'linf', 'l2' or 'l1'.
        label_smoothing: part of the outer loss's target that is spread evenly over all classes.

    Returns:
        The objective.
    """
    step = 1.25 * eps if step_size is None else step_size
    return adversarial(
        eps=eps, step_size=step, num_steps=1, norm=norm, label_smoothing=label_smoothing
    )


def has_collapsed(before: float | None, now: float, most: float) -> bool:
    """Return whether accuracy under PGD has collapsed since the validation before.

    Args:
        before: accuracy at the validation before, None at the first.
        now: accuracy now.
        most: the largest fall that is no collapse; 0.2 in the authors' code (Wong et al. 2020).

    Returns:
        True for a collapse.
    """
    return before is not None and now < before - most
