"""Layouts: what the axes of a kernel are, so that every kernel can be seen as (inputs, outputs).

A layout has a letter for every axis:

    s        stack: independent copies of a layer, as `nn.scan` and `nn.vmap` make them
    d, h, w  space, each at most once
    i        inputs; of a group, in a grouped convolution
    o        outputs

so that a convolution is 'hwio', a dense kernel 'io', linen's attention 'ioo' (inputs, heads, head
size) for query, key and value and 'iio' for out, a scanned dense kernel 'sio'. Axes with one letter
count as one, flattened in C order. The *canonical view* of a kernel is (stack..., space..., I, O);
patterns, scopes and counts are defined on it, where every copy of a stack is a layer of its own.

Layouts are inferred for linen's own layers or named, see `rtickets.masks.layout_names`. A kernel
whose layout is unknown can be pruned weight by weight, and only so.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError

NOTATION = "a letter per axis: s stack, d h w space, i inputs, o outputs, such as 'hwio' or 'ioo'"
Layouts = dict[str, "Layout | None"]  # by path; None where the layout is unknown


@dataclass(frozen=True)
class Layout:
    """The roles of a kernel's axes, see the head of this module."""

    roles: str

    def __post_init__(self) -> None:
        once = all(self.roles.count(letter) <= 1 for letter in "dhw")
        if not (re.fullmatch("[sdhwio]+", self.roles) and {"i", "o"} <= {*self.roles} and once):
            raise InputError(
                f"layout {self.roles!r} is none; write {NOTATION}, with inputs and outputs"
            )

    @property
    def stacked(self) -> int:
        """The number of stack axes."""
        return self.roles.count("s")

    @property
    def spatial(self) -> int:
        """The number of spatial axes."""
        return sum(self.roles.count(letter) for letter in "dhw")

    @property
    def order(self) -> tuple[int, ...]:
        """The axes as (stack..., depth, height, width, inputs..., outputs...)."""
        rank = {letter: place for place, letter in enumerate("sdhwio")}
        return tuple(sorted(range(len(self.roles)), key=lambda axis: rank[self.roles[axis]]))


def to_canonical(array: Any, layout: Layout) -> Any:
    """Return the canonical view of a kernel of NumPy or JAX, itself if it is canonical already."""
    shape = tuple(array.shape[axis] for axis in layout.order)
    if layout.order != tuple(range(array.ndim)):
        array = array.transpose(layout.order)
    canonical = _flattened(shape, layout)
    return array if canonical == shape else array.reshape(canonical)


def from_canonical(array: Any, layout: Layout, shape: Sequence[int]) -> Any:
    """Return the kernel, of a layout and shape, of which an array is the canonical view."""
    ordered = tuple(shape[axis] for axis in layout.order)
    if array.shape != ordered:
        array = array.reshape(ordered)
    back = tuple(layout.order.index(axis) for axis in range(len(shape)))
    return array if back == tuple(range(len(shape))) else array.transpose(back)


def split(leaves: Mapping[str, Any], layouts: Layouts) -> dict[str, Any]:
    """Return the layers that kernels by path are made of.

    Returns:
        (space..., I, O) by path, and by 'path[n]' for copy n of a stack. A kernel of unknown layout
        is one layer, left as it is.
    """
    layers: dict[str, Any] = {}
    for path, leaf in leaves.items():
        layout = layouts[path]
        view = leaf if layout is None else to_canonical(leaf, layout)
        if layout is None or not layout.stacked:
            layers[path] = view
            continue
        copies = view.reshape(-1, *view.shape[layout.stacked :]) if view.size else ()
        layers |= {f"{path}[{index}]": copies[index] for index in range(len(copies))}
    return layers


def join(
    layers: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], layouts: Layouts
) -> dict[str, Any]:
    """Undo `split`, for arrays of any dtype, given the shapes of the kernels."""
    leaves = {}
    for path, shape in shapes.items():
        layout = layouts[path]
        if layout is None:
            leaves[path] = layers[path]
        elif not layout.stacked:
            leaves[path] = from_canonical(layers[path], layout, shape)
        else:
            copies = [layers[f"{path}[{index}]"] for index in range(_copies(shape, layout))]
            stack = jnp.stack if any(not isinstance(c, np.ndarray) for c in copies) else np.stack
            whole = stack(copies) if copies else np.zeros(shape, bool)
            leaves[path] = from_canonical(whole, layout, shape)
    return leaves


def split_shapes(shapes: Mapping[str, tuple[int, ...]], layouts: Layouts) -> dict[str, Any]:
    """Return the shapes of the arrays that `split` makes of kernels of these shapes."""
    empty = {path: np.broadcast_to(np.False_, shape) for path, shape in shapes.items()}
    return {path: layer.shape for path, layer in split(empty, layouts).items()}


def _flattened(ordered: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """Return the canonical shape of a kernel whose axes are in order."""
    first = layout.stacked + layout.spatial
    middle = first + layout.roles.count("i")
    return (*ordered[:first], math.prod(ordered[first:middle]), math.prod(ordered[middle:]))


def _copies(shape: Sequence[int], layout: Layout) -> int:
    if not math.prod(shape):
        return 0
    return math.prod(n for n, role in zip(shape, layout.roles, strict=True) if role == "s")
