"""Nested dictionaries as a flat dictionary by name, and back.

A leaf's name is its keys joined with '/', as in `rtickets.masks.paths`. The keys are kept as well
where the name does not tell them: integers, as in the states of flax.nnx, and text with '/', as in
Haiku. States of flax.nnx count as the dictionaries that `nnx.to_pure_dict` makes of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.masks.paths import is_variable
from rtickets.tickets.tensors import to_array

Keys = tuple[str | int, ...]
_DEEPEST = 100  # far above any network, far below what recursion takes


class Stored(NamedTuple):
    """A tree of nested dictionaries.

    Attributes:
        arrays: its arrays by name.
        keys: keys of the names that splitting at '/' would not give.
        empty: keys of the dictionaries that hold nothing, in order.
    """

    arrays: dict[str, np.ndarray]
    keys: dict[str, Keys]
    empty: list[Keys]


def flatten(trees: Mapping[str, Any]) -> Stored:
    """Flatten trees by name, nested mappings of arrays with keys of text or integers.

    Every mapping counts as a dictionary.

    Raises:
        InputError: naming what is neither a mapping nor an array that can be stored, a key of
            another type, or a name that two leaves have.
    """
    for name, tree in trees.items():
        if not isinstance(tree, Mapping):
            raise InputError(
                f"{name} is a {type(tree).__name__}; a ticket stores nested dictionaries of arrays"
            )
    stored = Stored({}, {}, [])
    for keys, value in _items(trees, ()):
        name = _name(keys)
        if isinstance(value, Mapping):
            stored.empty.append(keys)
        elif name in stored.arrays:
            raise InputError(f"two leaves have the name {name!r}; rename one of them")
        else:
            stored.arrays[name] = to_array(name, _unwrapped(value))
            if keys != tuple(name.split("/")):
                stored.keys[name] = keys
    keys_by_name = dict(sorted(stored.keys.items()))
    return Stored(stored.arrays, keys_by_name, sorted(stored.empty, key=_name))


def _items(node: Mapping[Any, Any], above: Keys) -> Iterator[tuple[Keys, Any]]:
    """Yield what is no dictionary, and the dictionaries that are empty."""
    if not node:
        yield above, node
    if len(above) >= _DEEPEST:
        raise InputError(f"{_name(above)[:60]}... nests more than {_DEEPEST} dictionaries")
    for key, value in node.items():
        if type(key) not in (str, int):
            raise InputError(
                f"{_name(above)} has the key {key!r}; a ticket stores dictionaries whose keys are "
                "text or integers"
            )
        keys = (*above, key)
        if isinstance(value, Mapping):
            yield from _items(value, keys)
        else:
            yield keys, value


def _unwrapped(value: Any) -> Any:
    """Return the array in a variable of flax.nnx."""
    if not is_variable(value):
        return value
    leaves = jax.tree_util.tree_leaves_with_path(value)
    return leaves[0][1] if [len(path) for path, _ in leaves] == [1] else value


def unflatten(stored: Stored) -> dict[str, Any]:
    """Build a tree from its parts, which may come from anywhere.

    Raises:
        InputError: if the parts contradict each other or nest too deep.
    """
    tree: dict[str, Any] = {}
    for name, keys in stored.keys.items():
        if name not in stored.arrays or _name(keys) != name:
            raise InputError(f"the keys {list(keys)} are not those of {name}")
    for name, array in stored.arrays.items():
        _place(tree, stored.keys.get(name, tuple(name.split("/"))), array)
    for keys in stored.empty:
        _place(tree, keys, {})
    return tree


def _place(tree: dict[str, Any], keys: Keys, value: Any) -> None:
    if len(keys) > _DEEPEST:
        raise InputError(f"{_name(keys)[:60]}... nests more than {_DEEPEST} dictionaries")
    node: Any = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict) or keys[-1] in node:
        raise InputError(f"a part of {_name(keys)} is both an array and a folder")
    node[keys[-1]] = value


def to_keys(value: Any) -> Keys:
    """Return keys that JSON held as a list, not empty, of text and integers."""
    if not isinstance(value, list) or not value or any(type(k) not in (str, int) for k in value):
        raise InputError(f"{value!r:.60} are no keys")
    return tuple(value)


def _name(keys: Iterable[str | int]) -> str:
    return "/".join(map(str, keys))
