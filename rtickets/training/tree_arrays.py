"""Pytrees of arrays as nested dictionaries of them, named by their place, and back."""

from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.masks.paths import leaf_paths


class Stored(NamedTuple):
    """The arrays of a pytree that was taken apart.

    Attributes:
        arrays: what `nested` returned.
        where: they come from, for messages.
        what: they are, likewise.
        set_back: whether weights that they may be copies of were set back since.
    """

    arrays: dict[str, Any]
    where: Any
    what: str
    set_back: bool = False

    def like(self, fresh: Any) -> Any:
        """Return the pytree again.

        Args:
            fresh: one of the same structure, shapes and dtypes.

        Raises:
            InputError: if names and shapes are others.
        """
        wanted, given = leaf_paths(fresh), leaf_paths(self.arrays)
        shapes = {path: np.shape(leaf) for path, leaf in wanted.items()}
        if {path: np.shape(leaf) for path, leaf in given.items()} != shapes:
            raise InputError(
                f"{self.where} holds {self.what}, or that of another version of rtickets; draw "
                "into a new folder, or reset it in every state"
            )
        leaves = [jax.numpy.asarray(given[path], leaf.dtype) for path, leaf in wanted.items()]
        return jax.tree.unflatten(jax.tree.structure(fresh), leaves)


def nested(tree: Any) -> dict[str, Any]:
    """Return nested dictionaries with one entry for every leaf."""
    root: dict[str, Any] = {}
    for path, leaf in leaf_paths(tree).items():
        *parents, name = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    return root
