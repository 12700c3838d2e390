"""Iterative magnitude pruning on one picture: fit it, prune, rewind to the start, again."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rtickets.draw import draw_omp
from rtickets.draw.ladder import states_to
from rtickets.masks import Mask
from rtickets.restoration.fits import FitConfig, Fitted
from rtickets.restoration.fitting import fit
from rtickets.restoration.generators import Painter
from rtickets.restoration.initial_masks import nothing_removed
from rtickets.restoration.mask_settings import PRUNABLE, Maskable
from rtickets.restoration.problem import Problem


class Round(NamedTuple):
    """A round: the fit under the mask of the rounds before, and the mask that it leaves."""

    fitted: Fitted
    sparsity: float
    mask: Mask


def iterate(
    painter: Painter,
    problem: Problem,
    sparsities: Sequence[float],
    training: FitConfig,
    *,
    rate: float = 0.2,
    maskable: Maskable = "kernels",
    seed: int = 0,
    folder: Path | None = None,
) -> Iterator[Round]:
    """Yield the rounds down to the last sparsity, weights set back to the start after each.

    Args:
        sparsities: rising removed parts of the maskable weights, all of which are passed.
        training: of every round.
        rate: part of the survivors that a round removes; fewer where a sparsity comes before.
        maskable: see `MaskConfig`.
        seed: see `fit`, as `folder`, which has a folder for every round.
    """
    mask, start, reached = nothing_removed(painter.params), None, 0.0
    for goal in sparsities:
        for sparsity in states_to(goal, rate, "survivors", reached):
            own = None if folder is None else folder / f"{sparsity:g}"
            fitted = fit(painter, mask, problem, training, seed, folder=own)
            mask = start = draw_omp(
                fitted.params, sparsity, start=start, prunable=PRUNABLE[maskable]
            )
            yield Round(fitted, sparsity, mask)
        reached = goal
