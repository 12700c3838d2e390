"""Mask pytrees: which weights of a network live.

A mask has the structure of the parameters it belongs to. Prunable leaves are boolean arrays of the
leaf's shape, True where the weight lives; every other leaf is a scalar True. Masks are ordinary
data: they can be traced, stacked, mapped with `vmap` and saved. Whatever takes a mask refuses what
is none, see `check`. Scalar and empty leaves cannot be pruned: no mask of a scalar could tell
pruned from not prunable, and an empty leaf holds nothing.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError, printable
from rtickets.masks.arguments import check_text
from rtickets.masks.checks import check as check
from rtickets.masks.paths import leaf_paths as leaf_paths
from rtickets.platform.short_html import short_table

Params = Any  # a pytree of arrays
Mask = Any  # a pytree of boolean arrays with the structure of the parameters

DEFAULT_PRUNABLE = r"(?!(.*/)?head/).*kernel"
"""Convolution and dense kernels outside the head; biases and normalisation never match."""


def select(params: Params, prunable: str = DEFAULT_PRUNABLE, exclude: str | None = None) -> Any:
    """Mark the leaves that may be pruned, True of Python's bools in a pytree of this structure.

    Args:
        prunable: regular expression that a leaf's whole path must match.
        exclude: regular expression; leaves whose whole path matches it are left alone.

    Raises:
        InputError: if either expression is malformed or matches no leaf, or `prunable` only leaves
            that cannot be pruned.
    """
    paths = leaf_paths(params)
    if params is None or not all(path or hasattr(leaf, "shape") for path, leaf in paths.items()):
        raise InputError(
            f"params is a {type(params).__name__}; expected a pytree of arrays, such as "
            "module.init(key, x)['params'] of linen or nnx.state(model, nnx.Param)"
        )
    matched = _matching(prunable, paths, "prunable")
    chosen = {path for path in matched if 0 not in (np.ndim(paths[path]), np.size(paths[path]))}
    if not chosen:
        raise InputError(
            f"prunable={prunable!r} matches only scalar and empty leaves, which cannot be pruned: "
            f"{', '.join(sorted(matched)[:3])}"
        )
    if exclude is not None:
        chosen -= _matching(exclude, paths, "exclude")
        if not chosen:
            raise InputError(f"exclude={exclude!r} leaves none of the leaves of {prunable!r} over")
    treedef = jax.tree_util.tree_structure(params)
    return jax.tree_util.tree_unflatten(treedef, [path in chosen for path in paths])


def check_expression(pattern: str, field: str) -> re.Pattern[str]:
    """Compile the regular expression of a field.

    Raises:
        InputError: if it is none.
    """
    check_text(field, pattern)
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(f"{field}={pattern!r} is not a regular expression: {error}") from None


def _matching(pattern: str, paths: Mapping[str, Any], field: str) -> set[str]:
    expression = check_expression(pattern, field)
    matches = {path for path in paths if expression.fullmatch(path)}
    if not matches:
        raise InputError(
            f"{field}={pattern!r} matches none of the {len(paths)} leaves, such as "
            f"{', '.join(list(paths)[:3])}; it must match a whole path"
        )
    return matches


def full(params: Params, prunable: str = DEFAULT_PRUNABLE, exclude: str | None = None) -> Mask:
    """Return the mask of the dense network: every weight lives; see `select`."""
    return jax.tree.map(
        lambda chosen, leaf: np.ones(np.shape(leaf) if chosen else (), bool),
        select(params, prunable, exclude),
        params,
    )


def apply(mask: Mask, params: Params) -> Params:
    """Set the pruned weights, of any dtype, to zero: exactly 0 where the mask is False."""
    check(mask, params)
    return jax.tree.map(_apply_leaf, mask, params)


def _apply_leaf(keep: Any, leaf: Any) -> Any:
    traced = any(isinstance(value, jax.core.Tracer) for value in (keep, leaf))
    of_host = not traced and not isinstance(leaf, jax.Array)
    known = getattr(leaf, "dtype", None)  # which numbers of Python lack
    xp: Any = np if of_host and known is not None and _is_foreign(known) else jnp
    # A traced scalar is multiplied in like an array: what it holds is for the device to know, and
    # leaving it out would let XLA fuse, and so round, the training step in another way.
    if np.ndim(keep) or traced:
        kept = xp.where(keep, leaf, xp.zeros((), leaf.dtype))
        return kept.astype(leaf.dtype) if xp is np else kept  # NumPy swaps bytes
    return xp.array(leaf)


def _is_foreign(dtype: np.dtype) -> bool:
    """Whether JAX has no such arrays: it would make 32 bits of 64, and knows one order of bytes."""
    return dtype.hasobject or not dtype.isnative or jax.dtypes.canonicalize_dtype(dtype) != dtype


class Count(NamedTuple):
    """How many weights of one leaf, or of many, live."""

    survivors: int
    total: int

    @property
    def sparsity(self) -> float:
        """The removed fraction, 0 where there is nothing to remove."""
        return 1 - self.survivors / self.total if self.total else 0.0


class Summary(NamedTuple):
    """Survivors of a mask, per prunable leaf, over those leaves and over all parameters."""

    leaves: dict[str, Count]
    prunable: Count
    parameters: Count

    def __repr__(self) -> str:
        """Return the counts over all leaves, in a line."""
        alive, whole = self.prunable, self.parameters
        return (
            f"Summary({alive.survivors:,} of {alive.total:,} prunable weights in "
            f"{len(self.leaves)} leaves, sparsity {alive.sparsity:.4g}; {whole.survivors:,} of "
            f"{whole.total:,} parameters)"
        )

    def _repr_html_(self) -> str:
        """Return a table of the leaves, for notebooks."""
        rows = [
            (printable(path), count.survivors, count.total, f"{count.sparsity:.4g}")
            for path, count in self.leaves.items()
        ]
        return short_table(repr(self), ("leaf", "survivors", "weights", "sparsity"), rows)


def prunable_leaves(mask: Mask) -> dict[str, np.ndarray]:
    """Return the bool arrays of a mask by path, without the leaves that cannot be pruned."""
    check(mask)
    return {path: np.asarray(leaf) for path, leaf in leaf_paths(mask).items() if np.ndim(leaf)}


def sparsity(mask: Mask) -> float:
    """Return the removed fraction of the prunable weights, in [0, 1]."""
    leaves = prunable_leaves(mask).values()
    return Count(sum(int(m.sum()) for m in leaves), sum(m.size for m in leaves)).sparsity


def summary(mask: Mask, params: Params) -> Summary:
    """Count survivors per leaf, over the prunable weights and over all parameters."""
    check(mask, params)
    leaves = {path: Count(int(m.sum()), m.size) for path, m in prunable_leaves(mask).items()}
    prunable = Count(
        sum(count.survivors for count in leaves.values()),
        sum(count.total for count in leaves.values()),
    )
    total = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(params))
    removed = prunable.total - prunable.survivors
    return Summary(leaves, prunable, Count(total - removed, total))


def overlap(mask_a: Mask, mask_b: Mask) -> dict[str, float]:
    """Return the Jaccard index of the survivors of two masks, per prunable leaf.

    Returns:
        |A and B| / |A or B| keyed by path (1 where both are empty), and the index over all prunable
        weights under the key '' (the root).

    Raises:
        InputError: if either is no mask, they do not have the same prunable leaves, or one of
            several has no name.
    """
    a, b = prunable_leaves(mask_a), prunable_leaves(mask_b)
    if "" in a and len(a) > 1:
        raise InputError("a leaf without a name has the root's path; give it a name")
    if {path: m.shape for path, m in a.items()} != {path: m.shape for path, m in b.items()}:
        raise InputError("the masks belong to different networks: their prunable leaves differ")
    both = {path: int((a[path] & b[path]).sum()) for path in a}
    either = {path: int((a[path] | b[path]).sum()) for path in a}
    both[""], either[""] = sum(both.values()), sum(either.values())
    return {path: both[path] / either[path] if either[path] else 1.0 for path in both}


def pack(mask: Mask) -> dict[str, np.ndarray]:
    """Pack the prunable leaves of a mask into bits, uint8 (ceil(size / 8),) by path."""
    return {path: np.packbits(leaf) for path, leaf in prunable_leaves(mask).items()}


def unpack(bits: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Unpack the prunable leaves of a mask by path, given their shapes, which must fit the bits."""
    if set(bits) != set(shapes):
        raise InputError("the mask and the shapes of the prunable leaves have different paths")
    leaves = {}
    for path, shape in shapes.items():
        size = math.prod(shape)
        try:
            if bits[path].dtype != np.uint8 or bits[path].shape != ((size + 7) // 8,):
                raise ValueError
            leaves[path] = np.unpackbits(bits[path], count=size).astype(bool).reshape(shape)
        except ValueError:  # NumPy's own: more axes, or longer ones, than an array can have
            message = f"the mask of {path} does not fit weights of shape {shape}"
            raise InputError(message) from None
    return leaves
