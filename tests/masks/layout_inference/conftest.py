"""Layers of any kind, and what their layouts are found to be."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rtickets import masks
from rtickets.masks.layout_inference import infer

KEY = jax.random.key(0)


def shapes_of(params) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in masks.leaf_paths(params).items()}


def inferred(params) -> dict[str, str | None]:
    shapes = shapes_of(params)
    return {path: infer(path, shapes) for path in shapes if "kernel" in path}


class Around(nn.Module):
    """A module around a layer, which linen then names by its class."""

    layer: Any

    @nn.compact
    def __call__(self, x):
        return self.layer()(x)


def kernel_of(layer, inputs, **options):
    params = jax.eval_shape(Around(partial(layer, **options)).init, KEY, jnp.ones(inputs))["params"]
    (layout,) = inferred(params).values()
    return layout
