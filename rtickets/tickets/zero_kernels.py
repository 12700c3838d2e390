"""Kernels without a survivor, by stage of a network: where its tickets are structured.

A kernel is the spatial positions of one input and one output of a convolution.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import to_canonical

_STAGE = re.compile(r"stage\d+")
REST = "rest"


class ZeroKernels(NamedTuple):
    """The kernels of a stage.

    Attributes:
        kernels: how many there are, of any size.
        zero: of these, without a survivor.
        kernels_3x3: how many of 3x3.
        zero_3x3: of these, without a survivor.
    """

    kernels: int
    zero: int
    kernels_3x3: int
    zero_3x3: int


def zero_kernels(
    mask: Mask, params: Params | None = None, layouts: Mapping[str, str] | None = None
) -> dict[str, ZeroKernels]:
    """Count the kernels without a survivor.

    Args:
        mask: of a network.
        params: see `rtickets.tickets.inspect.layers`.
        layouts: likewise.

    Returns:
        By stage, in the order of paths: those called stage1, stage2 and so on, 'stem', and 'rest'
        of what is called otherwise. Stages without kernels, such as dense ones, are left out.
    """
    counts: dict[str, np.ndarray] = {}
    for path, alive in kernels_of(mask, params, layouts):
        small = _is_3x3(alive)
        dead = int((~alive.any(-1)).sum())
        number = alive[..., 0].size
        found = np.array([number, dead, number * small, dead * small])
        stage = stage_of(path)
        counts[stage] = counts.get(stage, 0) + found
    return {stage: ZeroKernels(*map(int, each)) for stage, each in counts.items()}


def kernels_of(
    mask: Mask, params: Params | None = None, layouts: Mapping[str, str] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield path and survivors, (inputs, outputs, positions), of every convolution.

    Copies in a stack count as further inputs.
    """
    masks.check(mask, params)
    kept = masks.prunable_leaves(mask)
    seen = layouts_of(mask if params is None else params, kept, layouts)
    for path, keep in kept.items():
        layout = seen[path]
        if layout is None or not layout.spatial or not keep.size:
            continue
        view = to_canonical(keep, layout)  # (stack..., space..., inputs, outputs)
        space = tuple(range(layout.stacked, view.ndim - 2))
        last = np.moveaxis(view, space, range(view.ndim - len(space), view.ndim))
        positions = int(np.prod([view.shape[axis] for axis in space]))
        yield path, last.reshape(-1, view.shape[-1], positions)


def stage_of(path: str) -> str:
    """Return the stage of a layer by its path."""
    if found := _STAGE.search(path):
        return found[0]
    return "stem" if "stem" in path else REST


def _is_3x3(alive: np.ndarray) -> bool:
    return bool(alive.shape[-1] == 9)
