"""What training code wraps around a network: prefixes, copies, averages, pixel normalisation.

MadryLab's `robustness` stores the network twice, under `module.model.` and
`module.attacker.model.`, beside the pixel statistics `normalizer.new_mean` and `new_std`; Cohen's
smoothing code puts a normalisation layer first, so that the network is `1.`; RobustBench keeps the
statistics as `mu` and `sigma`; others store a student beside its averaged teacher. What contrastive
pretraining keeps beside its network is in `rtickets.importers.contrastive`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.importers import contrastive
from rtickets.importers.prefixes import common_prefix
from rtickets.importers.state_dicts import Weights, counter_of, is_averaged
from rtickets.importers.tensors import Tensor, same

_ATTACKER = "attacker."
# Of a name, the part before the last dot, and the part after it.
_LAYER = re.compile(r"(normali[sz]er?|normali[sz]ation|preprocess|norm|0)?")
_STATISTIC = re.compile(
    r"(?P<mean>(new_|pixel_|image_|_)?means?|mu)|"
    r"(?P<std>(new_|pixel_|image_|_)?(stds?|sds)|sigma)"
)
_MAX_CHANNELS = 4
_SHARE = 1 / 4  # of all tensors; a group of names with fewer is no network


class Choice(NamedTuple):
    """What somebody says about the names of a file.

    Attributes:
        prefix: what the names of the network begin with; None finds it.
        ignore: regular expression of whole names to leave out, or None.
        weights: the 'raw' weights or their average, 'ema', where one state dict holds both; None
            takes the raw ones.
    """

    prefix: str | None = None
    ignore: str | None = None
    weights: Weights | None = None


class Unwrapped(NamedTuple):
    """A network without its wrappers.

    Attributes:
        tensors: its tensors by their bare names.
        source: the name in the file of every bare name.
        prefix: what was stripped from the names.
        mean: per-channel mean of pixels that the file states, or None.
        std: per-channel standard deviation likewise.
        normaliser: names in the file of the pixel statistics.
        duplicates: names in the file of equal copies, and what they are copies of.
        left: names in the file of tensors that were left out, and why.
        averaged: whether the names tell a running average of weights.
        others: prefixes under which further networks lie, and whether they are averages.
    """

    tensors: dict[str, Tensor]
    source: dict[str, str]
    prefix: str
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    normaliser: list[str]
    duplicates: dict[str, str]
    left: dict[str, str]
    averaged: bool
    others: dict[str, bool]


def unwrap(tensors: Mapping[str, Tensor], choice: Choice | None = None) -> Unwrapped:
    """Strip a state dict of its wrappers; every tensor of it is in the result or listed there.

    Args:
        choice: what was asked for; None is nothing.

    Raises:
        InputError: if the attack's copy of the network or of the statistics is another one, or what
            was asked for matches nothing.
    """
    choice = choice or Choice()
    left = _ignored(tensors, choice.ignore)
    counter = counter_of(tensors)
    if counter is not None:
        left[counter] = "counter of averaged weights"
    left |= contrastive.beside(name for name in tensors if name not in left)
    kept = {name: tensor for name, tensor in tensors.items() if name not in left}
    outer, others = _chosen_prefix(kept, choice)
    outer = contrastive.without_trunk(outer, kept)
    inside = [name for name in kept if name.startswith(outer)]
    statistics = _statistics(kept, outer)
    for name in kept.keys() - set(inside) - statistics:
        left[name] = f"not under {outer}"
    bare = {name.removeprefix(outer): kept[name] for name in inside if name not in statistics}
    copies = {name for name in bare if name.startswith(_ATTACKER)}
    # Copies are dropped for being equal, never for their names.
    duplicates = _checked_copies(bare, copies, outer)
    network = [name for name in bare if name not in copies]
    inner = contrastive.without_trunk(common_prefix(network), network)
    projection = contrastive.projection(outer + inner, network, inner)
    left |= {outer + name: reason for name, reason in projection.items()}
    network = [name for name in network if name not in projection]
    return Unwrapped(
        {name.removeprefix(inner): bare[name] for name in network},
        {name.removeprefix(inner): outer + name for name in network},
        outer + inner,
        _statistic(kept, statistics, "mean"),
        _statistic(kept, statistics, "std"),
        sorted(statistics),
        duplicates,
        left,
        counter is not None or is_averaged(outer + inner),
        others,
    )


def _ignored(tensors: Iterable[str], ignore: str | None) -> dict[str, str]:
    if ignore is None:
        return {}
    try:
        found = {name: "--ignore" for name in tensors if re.fullmatch(ignore, name)}
    except re.error as error:
        raise InputError(f"--ignore={ignore}: is no regular expression: {error}") from None
    if not found:
        names = ", ".join(list(tensors)[:3])
        raise InputError(f"--ignore={ignore}: matches no whole name, such as {names}")
    return found


def _chosen_prefix(tensors: Mapping[str, Tensor], choice: Choice) -> tuple[str, dict[str, bool]]:
    """Return what the names of the network begin with, and where further networks lie."""
    names = [name for name in tensors if name not in _statistics(tensors, "")]
    common = common_prefix(names)
    if choice.prefix is not None:
        wanted = choice.prefix.rstrip(".") + "."
        for prefix in (wanted, common + wanted):
            if any(name.startswith(prefix) for name in names):
                return prefix, {}
        there = ", ".join(_groups(names, common)) or "none"
        raise InputError(f"--prefix={choice.prefix}: no name begins so; there is {there}")
    groups = {
        prefix: is_averaged(prefix)
        for prefix, count in _groups(names, common).items()
        if count >= _SHARE * len(names) and not prefix.startswith(common + _ATTACKER)
    }
    # A raw network and an average beside each other; parts of one network are all of one kind.
    if len(set(groups.values())) < 2:
        return common, {}
    chosen = [name for name, kind in groups.items() if kind == (choice.weights == "ema")]
    if len(chosen) > 1:
        raise InputError(f"holds several networks; choose --prefix of {', '.join(chosen)}")
    return chosen[0], {name: kind for name, kind in groups.items() if name != chosen[0]}


def _groups(names: Iterable[str], common: str) -> Counter[str]:
    """Return how many names begin with each part that follows what they have in common."""
    parts = (name.removeprefix(common).partition(".") for name in names)
    return Counter(f"{common}{first}." for first, dot, _ in parts if dot)


def _statistics(tensors: Mapping[str, Tensor], outer: str) -> set[str]:
    """Return the names of pixel statistics: few values, in a known layer or as a pair."""
    found: dict[str, set[str]] = {}
    known = set()
    for name, tensor in tensors.items():
        layer, _, last = name.rpartition(".")
        if _STATISTIC.fullmatch(last) and int(np.prod(tensor.shape)) <= _MAX_CHANNELS:
            found.setdefault(layer, set()).add(name)
            inner = name.removeprefix(outer).removeprefix(_ATTACKER).rpartition(".")[0]
            if _LAYER.fullmatch(inner):
                known.add(name)
    return known | {name for pair in found.values() if len(pair) == 2 for name in pair}


def _checked_copies(
    bare: Mapping[str, Tensor], copies: Iterable[str], outer: str
) -> dict[str, str]:
    """Return what the attacker's tensors are copies of."""
    duplicates = {}
    for name in sorted(copies):
        original = name.removeprefix(_ATTACKER)
        if original not in bare or not same(bare[name], bare[original]):
            raise InputError(
                f"{outer}{name} is not the same as {outer}{original}: the network and the "
                "attacker's copy of it differ, so it is not clear which one to import"
            )
        duplicates[outer + name] = outer + original
    return duplicates


def _statistic(
    tensors: Mapping[str, Tensor], names: Iterable[str], kind: str
) -> tuple[float, ...] | None:
    """Return the mean or the standard deviation that the file states, one value per channel."""
    found = []
    for name in sorted(names):
        match = _STATISTIC.fullmatch(name.rpartition(".")[2])
        if match and match[kind]:
            values = np.asarray(tensors[name], np.float64).reshape(-1)
            found.append(tuple(float(value) for value in values))
    if len(set(found)) > 1:
        raise InputError(f"states two pixel statistics: {kind} {found[0]} and {found[1]}")
    return found[0] if found else None
