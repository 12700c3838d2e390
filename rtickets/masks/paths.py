"""The leaves of a pytree by path.

A path is the keys down to a leaf joined with '/'. What flax.nnx wraps a leaf into, a `Variable`, is
no part of it: the kernel of an NNX state has the path that it would have in linen.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax

from rtickets.errors import InputError


def leaf_paths(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> dict[str, Any]:
    """Return the leaves of a pytree under their paths, in flattening order.

    Args:
        is_leaf: says of a node that it is a leaf, as None never is otherwise.

    Raises:
        InputError: if two leaves have one path, as with the keys 'a/b' and 'a', 'b', or keys of a
            dictionary have no order, as 1 and '1'.
    """
    found: dict[str, Any] = {}
    for path, node in _flatten(
        tree, lambda n: is_variable(n) or (is_leaf is not None and is_leaf(n))
    ):
        inner = _flatten(node, is_leaf) if is_variable(node) else [((), node)]
        for rest, leaf in inner:
            name = jax.tree_util.keystr((*path, *rest[1:]), simple=True, separator="/")
            if name in found:
                raise InputError(f"two leaves have the path {name!r}; rename one of them")
            found[name] = leaf
    return found


def is_variable(node: Any) -> bool:
    """Whether a node of a pytree is a variable of flax.nnx, which is not imported for that."""
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(node, nnx.Variable)


def without_variables(tree: Any) -> Any:
    """Return a pytree with what variables of flax.nnx hold in their place, as `nnx.as_pure`."""

    def held(node: Any) -> Any:
        return _children(node)[0][1] if is_variable(node) and _children(node) else node

    return jax.tree.map(held, tree, is_leaf=is_variable)


def other_container(tree: Any, expected: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the first node whose container is not the expected one, with its path.

    Args:
        tree: pytree with the leaves, by path, of `expected`.
        path: of both, within larger ones.
    """
    if type(tree) is not type(expected) and not (is_one_leaf(tree) and is_one_leaf(expected)):
        return path, tree, expected
    ours, theirs = (dict(_children(node)) for node in (tree, expected))
    if ours.keys() != theirs.keys():
        return path, tree, expected
    for key, node in ours.items():
        within = path if is_variable(tree) else f"{path}/{key}" if path else key
        if found := other_container(node, theirs[key], within):
            return found
    return None if same_structure(tree, expected) else (path, tree, expected)


def same_structure(one: Any, other: Any) -> bool:
    """Whether two pytrees have the same containers and the same number of leaves."""
    structure: Any = jax.tree.structure(one)
    return structure == jax.tree.structure(other)


def is_one_leaf(node: Any) -> bool:
    """Whether a node of a pytree has no nodes below it."""
    return same_structure(node, 0)


def _children(node: Any) -> list[tuple[str, Any]]:
    inner = _flatten(node, lambda child: child is not node)
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), child)
        for path, child in inner
        if path
    ]


def _flatten(tree: Any, is_leaf: Callable[[Any], bool] | None) -> list[tuple[Any, Any]]:
    try:
        return jax.tree_util.tree_flatten_with_path(tree, is_leaf)[0]
    except (ValueError, TypeError) as error:  # of dictionaries, and of states of flax.nnx
        if "sorting" not in str(error) and "'<'" not in str(error):
            raise
        raise InputError("a dictionary has keys of several types, which have no order") from None
