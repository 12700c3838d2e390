"""Convolutions, fast on every platform: those of few channels, and by oneDNN where it is on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rtickets.models import onednn

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_NARROW = 64  # products of channels, beyond which XLA is as fast


def convolve(
    x: Array, kernel: Array, strides: tuple[int, ...], padding: Any, **options: Any
) -> Array:
    """Convolve as `jax.lax.conv_general_dilated`, which layers of flax call by default, does.

    XLA is slow at a few channels on a CPU. There several columns are computed as the channels of
    one, with the same result up to rounding, for 3x3 kernels of up to 8 times 8 channels in float32
    (docs/speed.md). A precision asked for changes nothing there: float32 is not rounded on a CPU.
    Where oneDNN is on, it is asked first, see `rtickets.models.onednn`.
    """
    plain = jax.default_backend() == "cpu" and _is_plain(x, kernel, options)
    if plain and (isinstance(padding, str) or min(map(min, padding)) >= 0):
        if onednn.is_on():
            return onednn.convolve(x, kernel, strides, padding)
        if (columns := _columns(x, kernel, strides, padding)) > 1:
            return by_columns(x, kernel, columns)
    return lax.conv_general_dilated(x, kernel, strides, padding, **options)


def _is_plain(x: Array, kernel: Array, options: dict[str, Any]) -> bool:
    """Return whether a convolution is of images (B, H, W, C), whole, dense and in float32."""
    if x.ndim != 4:
        return False
    dilations = *(options.get("lhs_dilation") or ()), *(options.get("rhs_dilation") or ())
    groups = (options.get(f"{kind}_group_count", 1) for kind in ("feature", "batch"))
    if {*dilations, *groups} != {1} or {x.dtype, kernel.dtype} != {jnp.dtype(jnp.float32)}:
        return False
    layout, ours = (
        lax.conv_dimension_numbers(x.shape, kernel.shape, names)
        for names in (options.get("dimension_numbers"), _LAYOUT)
    )
    return layout == ours and x.size * kernel.size > 0


def _columns(x: Array, kernel: Array, strides: tuple[int, ...], padding: Any) -> int:
    """Return how many columns to compute at once, 1 where it does not pay or cannot be done."""
    *size, inputs, features = kernel.shape
    same = padding == "SAME" or [tuple(each) for each in padding] == [(1, 1), (1, 1)]
    if size != [3, 3] or {*strides} != {1} or not same or inputs * features > _NARROW:
        return 1
    wanted = (4, 2) if inputs * features <= _NARROW // 2 else (2,)
    return next((columns for columns in wanted if x.shape[2] % columns == 0), 1)


def by_columns(x: Array, kernel: Array, columns: int) -> Array:
    """Convolve with a (3, 3, C, features) kernel and 'SAME' padding, several columns at once.

    Their number is a divisor of the width.
    """
    batch, height, width, inputs = x.shape
    groups, features = width // columns, kernel.shape[-1]
    inner = x.reshape(batch, height, groups, columns * inputs)
    left = jnp.pad(inner[:, :, :-1, -inputs:], ((0, 0), (0, 0), (1, 0), (0, 0)))
    right = jnp.pad(inner[:, :, 1:, :inputs], ((0, 0), (0, 0), (0, 1), (0, 0)))
    seen = jnp.concatenate([left, inner, right], -1)  # columns + 2 of them, as channels
    # column j of the result sees column i of these through column i - j of the kernel
    through = np.stack([np.eye(columns + 2, columns, -offset) for offset in range(3)])
    wide = jnp.einsum("rdcf,dij->ricjf", kernel, through.astype(kernel.dtype))
    wide = wide.reshape(3, 1, (columns + 2) * inputs, columns * features)
    y = lax.conv_general_dilated(seen, wide, (1, 1), ((1, 1), (0, 0)), dimension_numbers=_LAYOUT)
    return y.reshape(batch, height, width, features)
