"""What training code wraps around a network: prefixes, a copy for the attack, pixel normalisation.

MadryLab's `robustness` stores the network twice, under `module.model.` and
`module.attacker.model.`, beside the pixel statistics `normalizer.new_mean` and `new_std`; Cohen's
smoothing code puts a normalisation layer first, so that the network is `1.`; RobustBench keeps the
statistics as `mu` and `sigma`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.importers.tensors import Tensor, same

_WRAPPERS = ("module", "model", "_orig_mod", "net", "network", "backbone", "1")
_ATTACKER = "attacker."
_NORMALISER = re.compile(
    r"((normali[sz]er?|normali[sz]ation|preprocess|norm|0)\.)?"
    r"((?P<mean>(new_)?means?|mu)|(?P<std>(new_)?std|sds|sigma))"
)


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
    """

    tensors: dict[str, Tensor]
    source: dict[str, str]
    prefix: str
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    normaliser: list[str]
    duplicates: dict[str, str]


def unwrap(tensors: Mapping[str, Tensor]) -> Unwrapped:
    """Strip a network of its wrappers.

    Args:
        tensors: a state dict.

    Returns:
        The bare network; every tensor of the state dict is in it or listed.

    Raises:
        InputError: if the attack's copy of the network or of the statistics is another one.
    """
    outer = _common_prefix(tensors)
    bare = {name.removeprefix(outer): tensor for name, tensor in tensors.items()}
    copies = {name for name in bare if name.startswith(_ATTACKER)}
    statistics = {name for name in bare if _NORMALISER.fullmatch(name.removeprefix(_ATTACKER))}
    network = bare.keys() - copies - statistics
    duplicates = {}
    for name in sorted(copies - statistics):
        original = name.removeprefix(_ATTACKER)
        if original not in network or not same(bare[name], bare[original]):
            raise InputError(
                f"{outer}{name} is not the same as {outer}{original}: the network and the "
                "attacker's copy of it differ, so it is not clear which one to import"
            )
        duplicates[outer + name] = outer + original
    kept = [name for name in bare if name in network]
    inner = _common_prefix(kept)
    return Unwrapped(
        {name.removeprefix(inner): bare[name] for name in kept},
        {name.removeprefix(inner): outer + name for name in kept},
        outer + inner,
        _statistic(bare, statistics, "mean"),
        _statistic(bare, statistics, "std"),
        sorted(outer + name for name in statistics),
        duplicates,
    )


def _common_prefix(names: Iterable[str]) -> str:
    """Return the wrappers that all names start with, 'module.model.' for instance."""
    prefix = ""
    names = list(names)
    while names:
        first, dot, _ = names[0].partition(".")
        if not dot or first not in _WRAPPERS:
            break
        if not all(name.startswith(f"{first}.") for name in names):
            break
        names = [name.removeprefix(f"{first}.") for name in names]
        prefix += f"{first}."
    return prefix


def _statistic(
    tensors: Mapping[str, Tensor], names: Iterable[str], kind: str
) -> tuple[float, ...] | None:
    """Return the mean or the standard deviation that the file states, one value per channel."""
    found = []
    for name in sorted(names):
        match = _NORMALISER.fullmatch(name.removeprefix(_ATTACKER))
        if match and match[kind]:
            values = np.asarray(tensors[name], np.float64).reshape(-1)
            found.append(tuple(float(value) for value in values))
    if len(set(found)) > 1:
        raise InputError(f"states two pixel statistics: {kind} {found[0]} and {found[1]}")
    return found[0] if found else None
