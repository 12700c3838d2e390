"""Controls: masks that keep some of what a drawn mask has and lose the rest."""

from collections.abc import Callable
from typing import Literal, get_args

import jax
import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask

Control = Literal["random", "shuffled", "complement", "flipped", "reinitialised"]
_Leaf = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def control_mask(mask: Mask, control: Control, seed: int, flip_fraction: float = 0.1) -> Mask:
    """Return a control of a mask.

    Args:
        mask: a drawn mask.
        control: 'random' keeps the number of survivors of every layer and nothing else; 'shuffled'
            permutes input and output channels, so that the shapes of the surviving kernels stay;
            'complement' keeps what was removed; 'flipped' exchanges a fraction of every layer's
            survivors for removed weights; 'reinitialised' keeps the mask, whose weights are drawn
            anew elsewhere.
        seed: of the control. A layer's result depends on the seed and its place in the mask.
        flip_fraction: for 'flipped', in [0, 1].

    Returns:
        A mask of the same structure.

    Raises:
        InputError: for an unknown control or a fraction outside [0, 1].
    """
    if control not in get_args(Control):
        raise InputError(f"control={control!r} is unknown; choose {', '.join(get_args(Control))}")
    if not 0 <= flip_fraction <= 1:
        raise InputError(f"flip_fraction={flip_fraction} is outside [0, 1]")

    def flip(keep: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return _flip(keep, generator, flip_fraction)

    makers: dict[str, _Leaf] = {
        "random": lambda keep, generator: generator.permutation(keep.ravel()).reshape(keep.shape),
        "shuffled": _shuffle,
        "complement": lambda keep, _: ~keep,
        "flipped": flip,
        "reinitialised": lambda keep, _: keep,
    }
    leaves = [
        makers[control](np.asarray(leaf), np.random.default_rng([seed, index]))
        if np.ndim(leaf)
        else leaf
        for index, leaf in enumerate(masks.leaf_paths(mask).values())
    ]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(mask), leaves)


def _shuffle(keep: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    for axis in range(max(keep.ndim - 2, 0), keep.ndim):
        keep = np.take(keep, generator.permutation(keep.shape[axis]), axis)
    return keep


def _flip(keep: np.ndarray, generator: np.random.Generator, fraction: float) -> np.ndarray:
    alive, dead = np.flatnonzero(keep), np.flatnonzero(~keep)
    count = min(round(len(alive) * fraction), len(dead))
    flipped = keep.copy().ravel()
    flipped[generator.choice(alive, count, replace=False)] = False
    flipped[generator.choice(dead, count, replace=False)] = True
    return flipped.reshape(keep.shape)
