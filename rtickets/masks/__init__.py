"""Mask pytrees: which weights of a network live."""

from rtickets.masks.algebra import intersection, union
from rtickets.masks.checks import check
from rtickets.masks.paths import leaf_paths
from rtickets.masks.trees import (
    DEFAULT_PRUNABLE,
    Count,
    Mask,
    Params,
    Summary,
    apply,
    full,
    overlap,
    pack,
    prunable_leaves,
    select,
    sparsity,
    summary,
    unpack,
)

__all__ = [
    "DEFAULT_PRUNABLE",
    "Count",
    "Mask",
    "Params",
    "Summary",
    "apply",
    "check",
    "full",
    "intersection",
    "leaf_paths",
    "overlap",
    "pack",
    "prunable_leaves",
    "select",
    "sparsity",
    "summary",
    "union",
    "unpack",
]
