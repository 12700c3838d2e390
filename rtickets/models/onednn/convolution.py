"""The convolution of oneDNN as an operation of JAX.

It is linear in the images and in the kernel, and so are both of its derivatives: of three arrays
that belong together, `x`, `kernel` and `y`, each is made from the other two. That is one operation
in three kinds, whose derivatives, of any order and in both directions, are its other kinds.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from rtickets.models.onednn.build import TARGET
from rtickets.platform import console

_X, _KERNEL, _Y = range(3)  # as the library numbers them
_FROM = {_Y: (_X, _KERNEL), _X: (_Y, _KERNEL), _KERNEL: (_X, _Y)}


def convolve(x: Array, kernel: Array, strides: tuple[int, ...], padding: Any) -> Array:
    """Convolve (B, H, W, C) with a kernel (h, w, C, features), float32, where oneDNN is on."""
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    pads = tuple(tuple(map(int, each)) for each in padding)
    how: dict[str, Any] = {"strides": tuple(strides), "pads": pads}
    y = jax.eval_shape(partial(_plain, **how), x, kernel)
    shapes = x.shape, kernel.shape, y.shape
    found: Array = _operation.bind(x, kernel, made=_Y, shapes=shapes, **how)
    return found


def _plain(x: Array, kernel: Array, strides: Any, pads: Any) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=layout)


def _by_xla(a: Array, b: Array, *, made: int, shapes: Any, **how: Any) -> Any:
    if made == _Y:
        return _plain(a, b, **how)
    wanted = jax.ShapeDtypeStruct(shapes[made], a.dtype)
    linear = {_X: lambda x: _plain(x, b, **how), _KERNEL: lambda k: _plain(a, k, **how)}[made]
    return jax.linear_transpose(linear, wanted)(a if made == _X else b)[0]


def _by_onednn(a: Array, b: Array, *, made: int, shapes: Any, strides: Any, pads: Any) -> Any:
    x, kernel, y = shapes
    sizes = np.array((*x, *kernel[:2], *y[3:], *y[1:3], *strides, *pads[0], *pads[1]), np.int64)
    call = jax.ffi.ffi_call(TARGET, jax.ShapeDtypeStruct(shapes[made], jnp.float32))
    return call(a, b, makes=np.int64(made), sizes=sizes)


def _turned(place: int, slope: Array, a: Any, b: Any, *, made: int, **how: Any) -> Any:
    """Return the derivative by the argument at `place`, made of the slope and the other one."""
    wanted = _FROM[made][place]
    values = {made: slope, _FROM[made][1 - place]: (b, a)[place]}
    return _operation.bind(*(values[n] for n in _FROM[wanted]), made=wanted, **how)


def _mapped(args: Any, axes: Any, *, made: int, shapes: Any, **how: Any) -> tuple[Array, int]:
    """Map over images with one kernel, as more of them; anything else is XLA's."""
    if made == _KERNEL or axes[1] is not None:
        _say_once("convolutions with kernels of several networks are XLA's, not oneDNN's")
        return jax.vmap(partial(_by_xla, made=made, shapes=shapes, **how), axes)(*args), 0
    images = jnp.moveaxis(args[0], axes[0], 0)
    more = tuple(s if n == _KERNEL else (s[0] * len(images), *s[1:]) for n, s in enumerate(shapes))
    joined = images.reshape(-1, *images.shape[2:])
    found = _operation.bind(joined, args[1], made=made, shapes=more, **how)
    return found.reshape(len(images), -1, *found.shape[1:]), 0


_say_once = lru_cache(console.say)
_operation = Primitive("onednn_convolution")
_operation.def_impl(jax.jit(_operation.bind, static_argnames=("made", "shapes", "strides", "pads")))
_operation.def_abstract_eval(lambda a, b, made, shapes, **_: a.update(shape=shapes[made]))
ad.defbilinear(_operation, partial(_turned, 0), partial(_turned, 1))
batching.primitive_batchers[_operation] = _mapped
_lower = partial(mlir.lower_fun, multiple_results=False)
mlir.register_lowering(_operation, _lower(_by_xla))
mlir.register_lowering(_operation, _lower(_by_onednn), platform="cpu")
