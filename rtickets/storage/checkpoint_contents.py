"""What is in a checkpoint: the leaves of a pytree by path, and what types and shapes they have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError
from rtickets.platform import processes

Arrays = dict[str, np.ndarray]


def arrays_of(tree: Any) -> Arrays:
    """Return the leaves of a pytree by path, copied to the host, typed keys as their words."""
    found: Arrays = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        assert name not in found, name
        words = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        found[name] = np.array(jax.device_get(words))  # a copy: the buffer may be donated next
    return found


def tree_of(arrays: Arrays, like: Any) -> Any:
    """Return arrays by path as a pytree of the structure of `like`, the inverse of `arrays_of`."""
    leaves = [
        jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
        if _is_key(leaf)
        else array
        for leaf, array in zip(jax.tree.leaves(like), arrays.values(), strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def layout(arrays: Arrays) -> dict[str, str]:
    """Return type and shape by path."""
    return {path: f"{array.dtype} {array.shape}" for path, array in arrays.items()}


def is_description(values: Any) -> bool:
    """Whether what was stored beside the arrays says what it should: anybody may have made it."""
    if not isinstance(values, dict):
        return False
    found = values.get("layout")
    strings = isinstance(found, dict) and all(isinstance(one, str) for one in found.values())
    return strings and isinstance(values.get("meta"), dict)


def check_layout(checkpoint: Path, theirs: Mapping[str, str], arrays: Arrays) -> None:
    """Raise InputError unless a checkpoint has the layout of the arrays that are expected."""
    ours = layout(arrays)
    changed = sorted(path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path))
    if changed:
        raise InputError(
            f"{checkpoint} was saved by another version of the package: {changed[0]} is "
            f"{theirs.get(changed[0], 'missing')} there, here {ours.get(changed[0], 'missing')}; "
            f"finish the run with that version, or remove {checkpoint.parent} to begin it anew"
        )


def of_primary(tree: Any) -> Any:
    """Return the primary process's pytree in every process, as host arrays."""
    return tree_of(broadcast(arrays_of(tree)), tree)


def broadcast(arrays: Arrays) -> Arrays:
    """Send arrays from the primary process to all, as bytes: sums would lose the sign of -0."""
    if jax.process_count() == 1:
        return arrays
    data = [np.frombuffer(array.tobytes(), np.uint8) for array in arrays.values()]
    sent = np.asarray(processes.broadcast(np.concatenate(data)))  # at once: each size is compiled
    parts = np.split(sent, np.cumsum([len(part) for part in data])[:-1])
    return {
        path: np.frombuffer(part.tobytes(), array.dtype).reshape(array.shape)
        for part, (path, array) in zip(parts, arrays.items(), strict=True)
    }
