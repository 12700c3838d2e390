"""Weights that NumPy makes the same everywhere, so that golden files need not hold them."""

from collections.abc import Mapping

import numpy as np


def uniform(count: int, seed: int) -> np.ndarray:
    """Return numbers in [0, 1) from a stream that NumPy promises never to change."""
    bits = np.random.PCG64(seed).random_raw(count)
    return (bits >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def images(count: int, size: int) -> np.ndarray:
    """Return images of noise (count, size, size, 3) in [0, 1)."""
    return uniform(count * size * size * 3, 999).reshape(count, size, size, 3)


def random_state(shapes: Mapping[str, tuple[int, ...]], gain: float) -> dict[str, np.ndarray]:
    """Return a state dict of PyTorch's names with values that keep activations alive.

    Args:
        shapes: shapes by name; a counter of batches has shape ().
        gain: mean of the factors of normalisation layers; small ones keep sums over many blocks
            from growing.
    """
    state = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        values = uniform(int(np.prod(shape)), seed).reshape(shape)
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(seed, np.int64)
        elif name.endswith("running_var"):
            state[name] = 0.5 + values
        elif len(shape) == 1 and name.endswith("weight"):
            state[name] = np.float32(gain) * (0.5 + values)
        elif len(shape) == 1:
            state[name] = np.float32(0.4) * (values - np.float32(0.5))
        else:
            fan_in = np.prod(shape[1:])
            bound = np.float32(np.sqrt((6 if len(shape) == 4 else 3) / fan_in))
            state[name] = bound * (2 * values - 1)
    return {name: np.asarray(value, value.dtype) for name, value in state.items()}
