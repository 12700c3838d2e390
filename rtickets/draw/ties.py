"""What scores do not tell: weights that live or die by their index alone.

Equal scores leave the choice to the order of the weights, which means nothing. Where they decide
everything there is no ticket to draw; where they decide something, whoever draws is told.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rtickets.draw.ranking import Kept, Ranking
from rtickets.errors import DrawWarning, InputError
from rtickets.masks.patterns import Pattern

Say = Callable[[str], None]
_TOLD_FROM = 0.01  # of the survivors; single ties are an everyday thing
_REMEDY = (
    "score by something that tells them apart, in float32 or on other data, or draw at random with "
    "criterion='random'"
)


def warn(text: str) -> None:
    """Tell a caller in Python, as a `DrawWarning`."""
    warnings.warn(text, DrawWarning, stacklevel=3)


class Layer(NamedTuple):
    """What the living groups of a layer score.

    Attributes:
        path: of the layer.
        living: how many were alive before.
        survivors: how many of them live on.
        least: the smallest score of them; no number where there are none.
        most: the largest.
    """

    path: str
    living: int
    survivors: int
    least: float
    most: float


class Tally(NamedTuple):
    """The ties of a ranking.

    Attributes:
        name: the layer that was ranked, '' for all layers together.
        survivors: groups that live on.
        choices: rows in which some of the living die.
        blind: those of them with nothing to choose by.
        tied: groups at thresholds that cut through ties.
        kept: those of them that live.
        scores: the thresholds.
    """

    name: str
    survivors: int
    choices: int
    blind: int
    tied: int
    kept: int
    scores: np.ndarray


def check_scores_tell(kept: Kept, pattern: Pattern, say: Say) -> None:
    """Find out what was decided by index alone, see `check_told`.

    Args:
        kept: what lives, and how that was decided.
        pattern: of the groups.
        say: see there.
    """
    unit = "weights" if pattern.name in ("element", "n:m") else "groups"
    check_told(
        [_layer(kept, path) for path in kept.scores], [*map(_tally, kept.rankings)], unit, say
    )


def check_told(layers: Sequence[Layer], tallies: Sequence[Tally], unit: str, say: Say) -> None:
    """Find out what was decided by index alone.

    Args:
        layers: what was ranked.
        tallies: how.
        unit: what the groups are called.
        say: is told, one line each, of layers whose living groups all score alike while some of
            them die, and of rankings in which ties gave a hundredth of the survivors or more.

    Raises:
        InputError: if everything that could be ranked scores alike, so that all was decided so.
    """
    choices = sum(tally.choices for tally in tallies)
    if choices and choices == sum(tally.blind for tally in tallies):
        first = next(layer for layer in layers if layer.living)
        living = sum(layer.living for layer in layers)
        raise InputError(
            f"nothing tells which of the {living:,} living {unit} matter: wherever some must die, "
            f"all score alike, as in {first.path} ({first.least:g}); {_REMEDY}"
        )
    alike = [x for x in layers if 1 < x.living > x.survivors and x.least == x.most]
    for layer in alike:
        say(
            f"all {layer.living:,} living {unit} of {layer.path} score {layer.least:g}: "
            f"{layer.survivors:,} of them live, by their index alone"
            + ("" if layer.survivors else ", so that the layer is dead")
        )
    for tally in tallies:
        named = tally.name in {layer.path for layer in alike}
        if not named and tally.kept >= max(_TOLD_FROM * tally.survivors, 1):
            alone = f" {tally.scores[0]:g}" if len(tally.scores) == 1 else ""
            say(
                f"{tally.kept:,} of {tally.survivors:,} surviving {unit} of "
                f"{tally.name or 'all layers'} live by their index alone, for {tally.tied:,} "
                f"score{alone} alike; {_REMEDY}"
            )


def _tally(ranking: Ranking) -> Tally:
    scores, keep = ranking.scores, ranking.keep
    lives = scores > -np.inf
    # The smallest score that lives; ties at it are cut where some of them die.
    threshold = np.where(keep, scores, np.inf).min(1)
    at_threshold = scores == threshold[:, None]
    tied, kept = at_threshold.sum(1), (at_threshold & keep).sum(1)
    cut = kept < tied
    choices = keep.any(1) & (lives & ~keep).any(1)
    blind = choices & (np.where(lives, scores, np.inf).min(1) == scores.max(1))
    sums = [int(each.sum()) for each in (choices, blind, tied[cut], kept[cut])]
    thresholds = np.unique(threshold[cut]) + 0.0  # so that -0 is 0
    return Tally(ranking.name, int(keep.sum()), sums[0], sums[1], sums[2], sums[3], thresholds)


def _layer(kept: Kept, path: str) -> Layer:
    scores = kept.scores[path]
    living = scores[scores > -np.inf] + 0.0
    extremes = (float(living.min()), float(living.max())) if living.size else (np.inf, -np.inf)
    return Layer(path, living.size, int(kept.groups[path].sum()), *extremes)
