"""Single weights ranked by their scores in little memory: what is kept of a network is its mask.

Scores are looked at in pieces, several times: for what they are, for the smallest score
that lives, found digit by digit as a radix sort would, and for which are above it. The answers are
those of ranking all of them at once; of equal scores the first live.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtickets.draw.criteria.groups import not_finite
from rtickets.draw.floors import held
from rtickets.draw.ranking import Scope, budgets, too_few
from rtickets.draw.ties import Layer, Say, Tally, check_told
from rtickets.errors import InputError
from rtickets.masks.budget import survivors
from rtickets.masks.ordered import modulus, real

_PIECE = 1 << 18  # weights looked at together, which fit into a cache
_DIGIT = 16  # bits


class Elements(NamedTuple):
    """Weights to be ranked.

    Attributes:
        layers: their scores, or the weights that these are the absolute values of, by layer.
        alive: bool arrays of their shapes, of weights that were alive before; None where all were.
        absolute: whether absolute values are ranked.
        wide: whether some need float64.
    """

    layers: Mapping[str, np.ndarray]
    alive: Mapping[str, np.ndarray] | None
    absolute: bool
    wide: bool


class Cut(NamedTuple):
    """Where a ranking is cut.

    Attributes:
        level: the smallest key that lives; None where nothing does.
        score: that key's score.
        tied: how many living weights have it.
        room: how many of them live on.
    """

    level: Any
    score: float
    tied: int
    room: int


def keep_best_elements(
    layers: Mapping[str, np.ndarray],
    alive: Mapping[str, np.ndarray] | None,
    scope: Scope,
    sparsity: float,
    say: Say,
    *,
    absolute: bool,
    squared: bool,
    least: Mapping[str, int] | None = None,
) -> dict[str, np.ndarray]:
    """Return masks of the weights with the largest scores, as `keep_best` keeps groups.

    Args:
        layers: scores by layer, or what these are the absolute values of; see `Elements`.
        alive: see there.
        scope: what is ranked together.
        sparsity: removed fraction, counted from the dense network.
        say: see `check_told`.
        absolute: rank absolute values.
        squared: scores will be squared, so that none may be negative.
        least: weights of every layer that live in any case, of scope 'global'.

    Raises:
        InputError: for scores that are not finite, tell nothing, or may not be negative, or a start
            with less than is to be kept.
    """
    read = modulus if absolute else real
    kinds = [read(path, np.empty(0, layer.dtype)).dtype for path, layer in layers.items()]
    given = Elements(layers, alive, absolute, np.float64 in kinds)
    seen = _layers(given, squared=squared)
    if scope == "global":
        total = sum(layer.size for layer in layers.values())
        rankings, counts = _together(given, survivors(total, sparsity), least)
    else:
        whole = {path: np.broadcast_to(True, layer.shape) for path, layer in layers.items()}
        rankings = {path: [path] for path in layers}
        counts = budgets(whole, whole if alive is None else alive, scope, sparsity)
    found: dict[str, np.ndarray] = {}
    tallies = []
    for name, paths in rankings.items():
        if counts[name] > sum(seen[path].living for path in paths):
            short = next(path for path in paths if seen[path].living < layers[path].size)
            raise InputError(too_few(short, sparsity))
        where = _cut(given, paths, counts[name])
        found |= _kept(given, paths, where)
        seen |= {path: seen[path]._replace(survivors=int(found[path].sum())) for path in paths}
        tallies.append(_tally(name, [seen[path] for path in paths], where))
    check_told([*seen.values()], tallies, "weights", say)
    return found


def _together(
    given: Elements, budget: int, least: Mapping[str, int] | None
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return (layers, how many of them live) by ranking: of all, and of those at their least."""
    if least is None:
        return {"": list(given.layers)}, {"": budget}

    def count(paths: Sequence[str], left: int) -> dict[str, int]:
        return {p: int(m.sum()) for p, m in _kept(given, paths, _cut(given, paths, left)).items()}

    short = held(least, least, budget, count)
    free = [path for path in given.layers if path not in short]
    rankings = {path: [path] for path in short}
    counts = {path: least[path] for path in short}
    if free:
        rankings, counts = {"": free, **rankings}, {"": budget - sum(counts.values()), **counts}
    return rankings, counts


def _layers(given: Elements, *, squared: bool) -> dict[str, Layer]:
    """Return what the layers' scores are like, none of them living yet.

    Raises:
        InputError: for living scores that are not finite, or negative ones that are to be squared.
    """
    found = {}
    for path in given.layers:
        living, least, most, broken = 0, np.inf, -np.inf, 0
        for scores, _ in _pieces(given, path):
            if scores.size:
                low, high = scores.min(), scores.max()
                if not (np.isfinite(low) and np.isfinite(high)):
                    broken += int((~np.isfinite(scores)).sum())
                living, least, most = living + scores.size, min(least, low), max(most, high)
        if broken:
            raise InputError(not_finite(path, broken, given.layers[path].size))
        found[path] = Layer(path, living, 0, float(least) + 0.0, float(most) + 0.0)
    for path, each in found.items():
        if squared and each.least < 0:
            raise InputError(
                f"group_norm='l2' squares scores, and some of {path} are negative; choose 'l1'"
            )
    return found


def _cut(given: Elements, paths: Sequence[str], count: int) -> Cut:
    """Return where to cut so that exactly `count` of the living weights of layers live."""
    if not count:
        return Cut(None, np.inf, 0, 0)
    level, left, tied = 0, count, 0
    width = 64 if given.wide else 32
    for shift in range(width - _DIGIT, -1, -_DIGIT):
        counts = np.zeros(1 << _DIGIT, np.int64)
        for path in paths:
            for scores, _ in _pieces(given, path):
                keys = _keys(scores)
                if shift + _DIGIT < width:
                    keys = keys[keys >> np.array(shift + _DIGIT, keys.dtype) == level]
                digits = (keys >> np.array(shift, keys.dtype)) & np.array(0xFFFF, keys.dtype)
                counts += np.bincount(digits.astype(np.intp), minlength=len(counts))
        above = np.cumsum(counts[::-1])
        place = int(np.searchsorted(above, left))
        left -= int(above[place - 1]) if place else 0
        digit = len(counts) - 1 - place
        level, tied = (level << _DIGIT) | digit, int(counts[digit])
    key = np.array(level, np.uint64 if given.wide else np.uint32)
    return Cut(key, _score(key), tied, left)


def _kept(given: Elements, paths: Sequence[str], where: Cut) -> dict[str, np.ndarray]:
    """Return the masks of layers that were cut together, of their shapes."""
    found, room = {}, where.room
    for path in paths:
        mask = np.zeros(given.layers[path].size, bool)
        for scores, places in _pieces(given, path) if where.level is not None else ():
            keys = _keys(scores)
            keep = keys > where.level
            if room:
                ties = np.flatnonzero(keys == where.level)[:room]
                keep[ties] = True
                room -= len(ties)
            mask[places] = keep
        found[path] = mask.reshape(given.layers[path].shape)
    return found


def _tally(name: str, layers: Sequence[Layer], where: Cut) -> Tally:
    """Say how a ranking of layers was decided."""
    living, survive = sum(x.living for x in layers), sum(x.survivors for x in layers)
    choice = 0 < survive < living
    one = min(x.least for x in layers) == max(x.most for x in layers)
    scores = np.array([where.score + 0.0]) if where.room < where.tied else np.empty(0)
    counts = (where.tied, where.room) if scores.size else (0, 0)
    return Tally(name, survive, int(choice), int(choice and one), *counts, scores)


def _pieces(given: Elements, path: str) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield (scores, their places in the flat layer) of what lives, in order."""
    read, start = modulus if given.absolute else real, 0
    lives = None if given.alive is None else given.alive[path].reshape(-1)
    for values in _flat(given.layers[path]):
        places: Any = slice(start, start + len(values))
        start += len(values)
        if lives is not None:
            living = lives[places]
            places, values = places.start + np.flatnonzero(living), values[living]
        scores = read(path, values)
        yield scores.astype(np.float64) if given.wide else scores, places


def _flat(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pieces of an array in C order, whatever its layout."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        yield from (flat[i : i + _PIECE] for i in range(0, len(flat), _PIECE))
    elif array.size:
        flags: Any = ["external_loop", "buffered"]
        yield from map(np.copy, np.nditer(array, flags, order="C", buffersize=_PIECE))


def _keys(scores: np.ndarray) -> np.ndarray:
    """Return unsigned integers in the order of scores; both zeros are alike."""
    kind = np.uint64 if scores.dtype == np.float64 else np.uint32
    bits = (scores + scores.dtype.type(0)).view(kind)
    sign = kind(1) << kind(8 * scores.itemsize - 1)
    return np.where(bits & sign, ~bits, bits | sign)


def _score(key: np.ndarray) -> float:
    kind = key.dtype.type
    sign = kind(1) << kind(8 * key.itemsize - 1)
    bits = key ^ sign if key & sign else ~key
    return float(np.asarray(bits).view(np.float64 if key.itemsize == 8 else np.float32))
