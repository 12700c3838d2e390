"""Noise on surviving weights: what a ticket owes to the exact numbers that it inherits."""

import jax
import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.masks.arguments import check_integer


def noisy_weights(params: Params, mask: Mask, std: float, seed: int = 0) -> Params:
    """Return weights with Gaussian noise on the survivors of every prunable leaf.

    A control of pretrained weights under their mask (Chen et al. 2020, whose deviations are those
    of BERT's weights, 0.0387, times 0.01 to 1).

    Args:
        params: the weights; pruned ones, and leaves that are not prunable, stay.
        mask: their mask.
        std: standard deviation of the noise, in units of the weights.
        seed: of the noise. That of a weight depends on the seed and its place alone, so noise of
            two deviations is the same but for its scale.

    Raises:
        InputError: for a deviation that is no finite number of at least 0, or a mask that is not
            of `params`.
    """
    masks.check(mask, params)
    check_integer("seed", seed, 0)
    if not 0 <= std < float("inf"):
        raise InputError(f"std={std!r} must be a finite number of at least 0")
    kept = masks.leaf_paths(mask)
    leaves = []
    for index, (path, leaf) in enumerate(masks.leaf_paths(params).items()):
        if np.ndim(kept[path]):
            drawn = np.random.default_rng([seed, index]).standard_normal(np.shape(leaf))
            leaf = leaf + (std * drawn * kept[path]).astype(np.asarray(leaf).dtype)
        leaves.append(leaf)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)
