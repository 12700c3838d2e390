"""Multiply-adds of a network layer by layer, exact also where single weights are pruned.

A weight of a dense or convolution kernel, grouped or not, is multiplied once at every place that
its layer answers, one of a transposed convolution at every place that the layer is given. So a
layer takes as many multiply-adds as it has weights times places, and a masked one as many as
weights live. Resizing, normalisation and biases count nothing, as usual.
"""

import math
from collections import Counter
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rtickets import masks, models
from rtickets.masks import Mask
from rtickets.models.inputs import Inputs, placeholders

KERNEL = "kernel"


class Cost(NamedTuple):
    """What a layer takes of an example.

    Attributes:
        weights: of its kernel.
        living: of these.
        places: at which a weight is multiplied.
    """

    weights: int
    living: int
    places: int

    @property
    def dense(self) -> int:
        """Multiply-adds of all weights."""
        return self.weights * self.places

    @property
    def sparse(self) -> int:
        """Multiply-adds of those that live."""
        return self.living * self.places


def places_of(model: models.Model, inputs: Inputs) -> dict[str, int]:
    """Return the number of places at which every kernel is applied to an example, by its path.

    Args:
        model: the network; nothing is computed.
        inputs: what it takes of an example.
    """
    return shapes_and_places(model, inputs)[1]


def shapes_and_places(
    model: models.Model, inputs: Inputs
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Return the shapes of all parameters by path, and `places_of`."""
    found: Counter[str] = Counter()
    under_way: list[tuple[str, ...]] = []

    def count(call: Any, args: Any, keywords: Any, context: Any) -> Any:
        inside = context.method_name == "__call__" and context.module.scope is not None
        path = tuple(context.module.path) if inside else ()
        if not path or path in under_way:  # a class may call its parent's
            return call(*args, **keywords)
        under_way.append(path)
        answer = call(*args, **keywords)
        under_way.pop()
        at = args[0] if isinstance(context.module, nn.ConvTranspose) else answer
        if hasattr(at, "shape"):
            found["/".join((*path, KERNEL))] += math.prod(at.shape[1:-1])
        return answer

    def initial(key: Any, x: Any) -> Any:  # a new function: of one that JAX knows it traces nothing
        return model.init(key, x)

    with nn.intercept_methods(count):
        made = jax.eval_shape(initial, jax.random.key(0), placeholders(inputs, 1))
    shapes = {path: tuple(leaf.shape) for path, leaf in masks.leaf_paths(made["params"]).items()}
    return shapes, {path: found[path] for path in shapes if path in found}


def costs(model: models.Model, inputs: Inputs, mask: Mask) -> dict[str, Cost]:
    """Return what every layer with a kernel takes, by the path of the kernel.

    Args:
        mask: which weights live; a leaf may be of its whole shape or a scalar.
    """
    kept = masks.leaf_paths(mask)
    shapes, at = shapes_and_places(model, inputs)
    found = {}
    for path, places in at.items():
        living = np.count_nonzero(np.broadcast_to(np.asarray(kept[path]), shapes[path]))
        found[path] = Cost(math.prod(shapes[path]), int(living), places)
    return found
