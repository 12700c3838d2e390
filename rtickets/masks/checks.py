"""What a mask must be, checked in one place for everything that takes one."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.masks.paths import is_one_leaf, leaf_paths, other_container, same_structure


def check(mask: Any, params: Any | None = None) -> None:
    """Refuse what is no mask, or no mask of these parameters.

    A mask leaf is an array of bools in its weights' shape, or a single True where nothing may be
    pruned, as at scalars. Nothing else is taken for one: numbers would be weights to multiply with,
    and another shape would be broadcast. Only types and shapes are read of arrays that are being
    traced, so that a compiled step is the same with and without the check.

    Args:
        params: pytree of the weights that it should fit; None checks what can be without them.

    Raises:
        InputError: naming the first leaf that is wrong, what it is and what was expected.
    """
    leaves = leaf_paths(mask, is_leaf=_is_none)
    if params is None:
        for path, keep in leaves.items():
            _check_leaf(path, keep, None)
        return
    if not same_structure(mask, params):
        raise InputError(_difference(mask, params))
    for path, weights in leaf_paths(params).items():
        _check_leaf(path, leaves[path], np.shape(weights))


def _is_none(node: Any) -> bool:
    return node is None


def _check_leaf(path: str, keep: Any, shape: tuple[int, ...] | None) -> None:
    # Before its dtype is looked at, which is bool as any mask's.
    if np.ma.isMaskedArray(keep):
        fits, found = False, "a masked array, which hides some of its values"
    elif isinstance(keep, bool) or str(getattr(keep, "dtype", None)) == "bool":
        if np.ndim(keep):
            fits, found = shape in (None, np.shape(keep)), f"bool of shape {np.shape(keep)}"
        else:
            fits, found = not _is_known(keep) or bool(keep), "a single False"
    elif hasattr(keep, "dtype"):
        fits, found = False, f"{keep.dtype} of shape {np.shape(keep)}"
    else:
        fits, found = False, "None" if keep is None else f"a {type(keep).__name__}"
    if not fits:
        remedy = _of_another_head(path, np.shape(keep), shape)
        wrong = f"the mask of {path or 'the weights'} is {found}; {_expected(shape)}{remedy}"
        raise InputError(wrong)


def _of_another_head(path: str, ours: tuple[int, ...], theirs: tuple[int, ...] | None) -> str:
    """Say what to do where a head was pruned and then replaced by one of other classes."""
    layer = path.rpartition("/")[0]
    if not (layer and ours and theirs and ours[:-1] == theirs[:-1]):
        return ""
    return f"; if a new head has taken its place, draw with exclude={re.escape(layer) + '/.*'!r}"


def _expected(shape: tuple[int, ...] | None) -> str:
    if shape == ():
        return "expected True, for a scalar cannot be pruned"
    own = "its weights' shape" if shape is None else f"shape {shape}, that of its weights"
    return f"expected bool of {own}, or a single True where nothing may be pruned"


def _is_known(keep: Any) -> bool:
    """Whether the value of a scalar can be read here and now."""
    if isinstance(keep, jax.Array):
        return not isinstance(keep, jax.core.Tracer) and keep.is_fully_addressable
    return isinstance(keep, bool | np.bool_ | np.ndarray)


def _difference(mask: Any, params: Any) -> str:
    """Say where the structure of a mask is not that of its parameters."""
    ours, theirs = leaf_paths(mask, _is_none), leaf_paths(params, _is_none)
    for name, outer, inner in (("mask", ours, theirs), ("parameters", theirs, ours)):
        if level := _level_above(outer, inner):
            return f"one level lies between the mask and the parameters: give {name}[{level!r}]"
    for path, weights in theirs.items():
        if path not in ours:
            return f"the mask lacks {path or 'the weights'}; it is of another network"
        if ours[path] is None and weights is not None:
            return f"the mask of {path} is None; {_expected(np.shape(weights))}"
    for path in ours:
        if path not in theirs:
            return f"the mask has {path or 'one leaf'}, which the parameters lack"
    return _other_container(mask, params)


def _level_above(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    """Return the key of the first paths under which all of the others are, as 'params' is."""
    keys = dict.fromkeys(path.partition("/")[0] for path in outer)
    held = (key for key in keys if all(f"{key}/{path}" in outer for path in inner))
    return next(held, None) if inner else None


def _other_container(mask: Any, params: Any) -> str:
    """Say where leaves of the same names are held by something else."""
    path, ours, theirs = other_container(mask, params) or ("", mask, params)
    what = [
        "an array" if is_one_leaf(node) else f"a {type(node).__name__}" for node in (ours, theirs)
    ]
    found = f"{path or 'all of it'} is in {what[0]} where the parameters have {what[1]}"
    if type(ours) is type(theirs):
        found = f"{path or 'all of it'} is in {what[0]} of other settings than the parameters'"
    remedy = "draw the mask from what it is used with"
    if any("flax.nnx" in type(node).__module__ for node in (ours, theirs)):
        remedy += ": nnx.state(model, nnx.Param), or nnx.to_pure_dict of it, for both"
    return f"the mask is of other containers: {found}; {remedy}"
