"""Weights of a network with its layers in another order: the same numbers at other depths."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.masks.arguments import check_integer
from rtickets.masks.paths import leaf_paths
from rtickets.masks.prunable import replace_leaves
from rtickets.masks.trees import Params, check_expression

LAYERS = r"layer(\d+)/.*kernel"
"""Kernels of the layers of an encoder, their number the first group."""


def permuted_layers(params: Params, seed: int = 0, layers: str = LAYERS) -> Params:
    """Return weights whose layers are permuted: those of each are all another's.

    Under a mask this is a control of pretrained weights that keeps their distribution (Chen et al.
    2020, 'shuffled' weights): biases, normalisation, embeddings and what has no number stay.

    Args:
        params: the weights.
        seed: of the permutation; none of the layers keeps its place.
        layers: regular expression of whole paths, with the number of the layer as its group.

    Raises:
        InputError: if fewer than two layers match, or layers are not alike.
    """
    check_integer("seed", seed, 0)
    leaves = leaf_paths(params)
    found = layers_in({path: np.shape(leaf) for path, leaf in leaves.items()}, layers)
    numbers, others = list(found), _moved(len(found), seed)
    replaced: dict[str, Any] = {
        path: leaves[found[numbers[others[place]]][name]]
        for place, number in enumerate(numbers)
        for name, path in found[number].items()
    }
    return replace_leaves(params, replaced)


def layers_in(shapes: Mapping[str, Any], layers: str = LAYERS) -> dict[str, dict[str, str]]:
    """Return the paths of every layer by its number, in order, and by what they are called in all.

    Args:
        shapes: of leaves, by path.
        layers: as above.

    Raises:
        InputError: if fewer than two layers match, or layers are not alike.
    """
    expression = check_expression(layers, "layers")
    found: dict[str, dict[str, str]] = {}
    for path in shapes:
        match = expression.fullmatch(path)
        if match:
            number, (start, stop) = match[1], match.span(1)
            found.setdefault(number, {})[f"{path[:start]}N{path[stop:]}"] = path
    numbers = sorted(found, key=int)
    if len(numbers) < 2:
        raise InputError(f"layers={layers!r} matches {len(numbers)} layers; expected at least two")
    kinds = [{name: tuple(shapes[path]) for name, path in found[n].items()} for n in numbers]
    if any(kind != kinds[0] for kind in kinds):
        raise InputError(f"layers={layers!r}: layers {', '.join(numbers)} are not alike")
    return {number: found[number] for number in numbers}


def _moved(count: int, seed: int) -> list[int]:
    """Return a permutation without fixed points: one cycle through all, drawn at random."""
    order = np.random.default_rng(seed).permutation(count)
    moved = np.empty(count, np.int64)
    moved[order] = np.roll(order, 1)
    return moved.tolist()
