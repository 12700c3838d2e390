"""Fitting a network's tensors to our leaves, and the account of every one of them."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.importers.layouts import Layout
from rtickets.importers.tensors import Tensor
from rtickets.models import Model

_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_COUNTER = re.compile(r"(.*\.)?num_batches_tracked")
_SHOWN = 3


class Fitted(NamedTuple):
    """A network's weights as ours.

    Attributes:
        params: nested dictionaries of float32 arrays.
        batch_stats: likewise.
        used: the leaf of ours of every tensor used, by its bare name.
        unused: names of tensors that no forward pass reads.
        masks: boolean arrays of the leaves of `params` that the file has a mask for, by path.
    """

    params: Any
    batch_stats: Any
    used: dict[str, str]
    unused: list[str]
    masks: dict[str, np.ndarray]


@lru_cache(maxsize=16)
def template(model: Model, channels: int) -> Mapping[str, Any]:
    """Return the shapes of a network's leaves, as {'params': ..., 'batch_stats': ...}."""
    images = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), images)


def source_names(leaves: Mapping[str, Any], layout: Layout) -> dict[str, str]:
    """Return the name in a layout of every leaf such as params/stem_conv/kernel."""
    names = {}
    for leaf in leaves:
        _, _, path = leaf.partition("/")
        layer, _, kind = path.rpartition("/")
        names[leaf] = f"{layout.layer(layer)}.{_LEAVES[kind]}"
    return names


def fit(
    model: Model,
    channels: int,
    tensors: Mapping[str, Tensor],
    layout: Layout,
    alive: Mapping[str, np.ndarray] | None = None,
) -> Fitted:
    """Turn the tensors of a layout into our leaves.

    Args:
        channels: number of channels of its images.
        tensors: tensors by their names in the layout, in PyTorch's axis order. Where those of the
            head are missing, it becomes the identity, so that logits are features.
        alive: masks of the tensors, by name.

    Raises:
        InputError: if a leaf has no tensor, a tensor no leaf, or a shape or value is wrong.
    """
    shapes = template(model, channels)
    leaves = masks.leaf_paths(shapes)
    names = source_names(leaves, layout)
    if not has_head(tensors, layout):
        tensors = {**tensors, **_identity_head(shapes, layout)}
    rest = tensors.keys() - set(names.values())
    unused = [name for name in rest if _COUNTER.fullmatch(name) or re.match(layout.unused, name)]
    _check_names(set(names.values()) - tensors.keys(), rest - set(unused))
    wrong = [
        f"{names[leaf]} {tuple(tensors[names[leaf]].shape)} instead of {_theirs(leaves[leaf])}"
        for leaf in leaves
        if tuple(tensors[names[leaf]].shape) != _theirs(leaves[leaf])
    ]
    if wrong:
        raise InputError(f"{len(wrong)} of its tensors have another shape: {_some(wrong)}")
    arrays = [_array(names[leaf], tensors[names[leaf]]) for leaf in leaves]
    tree = jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shapes), arrays)
    used = {name: leaf for leaf, name in names.items()}
    found = {
        used[name].removeprefix("params/"): _our_axes(mask).copy()
        for name, mask in (alive or {}).items()
        if name in used
    }
    return Fitted(tree["params"], tree["batch_stats"], used, sorted(unused), found)


def has_head(tensors: Mapping[str, Tensor], layout: Layout) -> bool:
    """Return whether there is a tensor of the head."""
    head = layout.layer("head")
    return f"{head}.weight" in tensors or f"{head}.bias" in tensors


def _identity_head(shapes: Mapping[str, Any], layout: Layout) -> dict[str, np.ndarray]:
    head, features = layout.layer("head"), shapes["params"]["head"]["bias"].shape[0]
    weight, bias = np.eye(features, dtype=np.float32), np.zeros(features, np.float32)
    return {f"{head}.weight": weight, f"{head}.bias": bias}


def with_epsilon(batch_stats: Any, difference: float) -> Any:
    """Return variances that give the same network where normalisation adds less to them.

    Args:
        batch_stats: statistics; leaves named 'var' change.
        difference: what the original adds minus what ours adds.

    Raises:
        InputError: if a variance would be negative.
    """
    found = {}
    for path, leaf in masks.leaf_paths(batch_stats).items():
        found[path] = leaf + np.float32(difference) if path.endswith("/var") else leaf
        if path.endswith("/var") and (found[path] < 0).any():
            raise InputError(
                f"--epsilon: variances of {path} are too small for an epsilon so much below ours"
            )
    structure = jax.tree_util.tree_structure(batch_stats)
    return jax.tree_util.tree_unflatten(structure, list(found.values()))


def _check_names(missing: set[str], left: set[str]) -> None:
    problems = []
    if missing:
        problems.append(f"{len(missing)} tensors are missing ({_some(sorted(missing))})")
    if left:
        problems.append(f"{len(left)} have no place in the network ({_some(sorted(left))})")
    if problems:
        raise InputError(" and ".join(problems))


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")


def _theirs(leaf: Any) -> tuple[int, ...]:
    """Return the shape of a leaf in PyTorch's axis order."""
    if len(leaf.shape) == 4:
        height, width, inputs, outputs = leaf.shape
        return outputs, inputs, height, width
    return tuple(reversed(leaf.shape))


def _our_axes(values: np.ndarray) -> np.ndarray:
    """Return an array of PyTorch's axis order in ours."""
    if values.ndim == 4:
        return values.transpose(2, 3, 1, 0)
    return values.T if values.ndim == 2 else values


def _array(name: str, tensor: Tensor) -> np.ndarray:
    """Return a tensor in our axis order; integers are a quantised network's, without its scales."""
    stored = np.asarray(tensor)
    if not jnp.issubdtype(stored.dtype, np.floating):
        raise InputError(f"{name} has values of {stored.dtype}; expected floats, not quantised")
    array = np.array(_our_axes(stored), np.float32, order="C")
    if not np.isfinite(array).all():
        raise InputError(f"{name} has values that are not finite")
    if name.endswith("running_var") and (array < 0).any():
        raise InputError(f"{name} has negative variances")
    return array
