"""What scores do not tell: weights that live or die by their index alone.

Equal scores leave the choice to the order of the weights, which means nothing. Where they decide
everything there is no ticket to draw; where they decide something, whoever draws is told.
"""

import warnings
from collections.abc import Callable, Iterator
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


def check_scores_tell(kept: Kept, pattern: Pattern, say: Say) -> None:
    """Find out what was decided by index alone.

    Args:
        kept: what lives, and how that was decided.
        say: is told, one line each, of layers whose living groups all score alike while some of
            them die, and of rankings in which ties gave a hundredth of the survivors or more.

    Raises:
        InputError: if everything that could be ranked scores alike, so that all was decided so.
    """
    unit = "weights" if pattern.name in ("element", "n:m") else "groups"
    tallies = [_tally(ranking) for ranking in kept.rankings]
    choices = sum(tally.choices for tally in tallies)
    if choices and choices == sum(tally.blind for tally in tallies):
        path, values = next((p, v) for p, v in _living(kept) if v.size)
        living = sum(v.size for _, v in _living(kept))
        raise InputError(
            f"nothing tells which of the {living:,} living {unit} matter: wherever some must die, "
            f"all score alike, as in {path} ({values[0]:g}); {_REMEDY}"
        )
    alike = dict(_alike(kept))
    for path, (value, living, survivors) in alike.items():
        say(
            f"all {living:,} living {unit} of {path} score {value:g}: {survivors:,} of them live, "
            "by their index alone" + ("" if survivors else ", so that the layer is dead")
        )
    for ranking, tally in zip(kept.rankings, tallies, strict=True):
        survivors = int(ranking.keep.sum())
        if ranking.name not in alike and tally.kept >= max(_TOLD_FROM * survivors, 1):
            alone = f" {tally.scores[0]:g}" if len(tally.scores) == 1 else ""
            say(
                f"{tally.kept:,} of {survivors:,} surviving {unit} of "
                f"{ranking.name or 'all layers'} live by their index alone, for {tally.tied:,} "
                f"score{alone} alike; {_REMEDY}"
            )


class _Tally(NamedTuple):
    """The ties of a ranking.

    Attributes:
        choices: rows in which some of the living die.
        blind: those of them with nothing to choose by.
        tied: groups at thresholds that cut through ties.
        kept: those of them that live.
        scores: the thresholds.
    """

    choices: int
    blind: int
    tied: int
    kept: int
    scores: np.ndarray


def _tally(ranking: Ranking) -> _Tally:
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
    return _Tally(sums[0], sums[1], sums[2], sums[3], thresholds)


def _alike(kept: Kept) -> Iterator[tuple[str, tuple[float, int, int]]]:
    """Yield the layers that lose some of several living groups of one score."""
    for path, values in _living(kept):
        survivors = int(kept.groups[path].sum())
        if 1 < values.size > survivors and values.min() == values.max():
            yield path, (float(values[0]), values.size, survivors)


def _living(kept: Kept) -> Iterator[tuple[str, np.ndarray]]:
    for path, scores in kept.scores.items():
        yield path, scores[scores > -np.inf] + 0.0
