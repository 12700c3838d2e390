"""Iterative magnitude pruning on one picture: fit it, prune, rewind to the start, again."""

from collections.abc import Iterator
from typing import NamedTuple

from rtickets.draw import draw_omp
from rtickets.draw.ladder import states_to
from rtickets.masks import Mask
from rtickets.restoration.fitting import FitConfig, Fitted, fit
from rtickets.restoration.generators import Painter
from rtickets.restoration.initial_masks import nothing_removed
from rtickets.restoration.learning import MaskConfig
from rtickets.restoration.problem import Problem


class Round(NamedTuple):
    """A round: the fit under the mask of the rounds before, and the mask that it leaves."""

    fitted: Fitted
    sparsity: float
    mask: Mask


def iterate(
    painter: Painter,
    problem: Problem,
    config: MaskConfig,
    training: FitConfig,
    *,
    rate: float = 0.2,
    seed: int = 0,
) -> Iterator[Round]:
    """Yield the rounds down to a sparsity, weights set back to those at the start after each.

    Args:
        config: its `sparsity` and `maskable` count.
        training: of every round.
        rate: part of the survivors that a round removes; the last one removes what is left.
    """
    mask, start = nothing_removed(painter.params), None
    for sparsity in states_to(config.sparsity, rate, "survivors", 0.0):
        fitted = fit(painter, mask, problem, training, seed)
        mask = start = draw_omp(fitted.params, sparsity, start=start, prunable=config.prunable)
        yield Round(fitted, sparsity, mask)
