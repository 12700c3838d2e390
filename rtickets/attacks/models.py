"""What may stand for a model, and what its answers must be."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jax import Array
from jax.tree_util import Partial

from rtickets.attacks.linen import applying, why_flax, without_modules
from rtickets.errors import InputError

LogitsFn = Callable[..., Array]
"""Maps images (B, ...) in [0, 1] to logits (B, classes), one row per image. A random model also
takes one key per image (B,). A `jax.tree_util.Partial` shares compiled attacks with every other of
the same function: its arguments, such as weights, are data, and so are the variables of a bound
flax module (`model.bind(variables)`), one of its methods or a `functools.partial` of either. What
any other function refers to is data as well; every call of an attack traces the function to notice
where it has changed since. A bound module without a hash, as of one with arrays among its
attributes, is compiled by every call. A `jax.jit` of the model's own keeps what it closes over from
its first call, so its answers are compared with those of the function in it, and old ones are
refused."""

_UNTRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.ConcretizationTypeError,
)


def as_model(logits_fn: Any, samples: int = 0) -> LogitsFn:
    """Return a model in a form that attacks can compile: itself, or a `Partial` for a flax module.

    What cannot be called as `LogitsFn` says is refused.
    """
    if isinstance(logits_fn, type):
        raise InputError(
            f"the model is the class {logits_fn.__name__}; expected an instance, of a flax module "
            "one with weights: module.bind(variables)"
        )
    if not callable(logits_fn):
        raise InputError(
            f"the model is a {type(logits_fn).__name__}; expected a function from images to logits"
        )
    if isinstance(logits_fn, jax.stages.Compiled):
        raise InputError(
            "the model is compiled already, so attacks cannot take its gradients or other batches; "
            "give the function that it was compiled from"
        )
    _check_data(logits_fn)
    model = without_modules(logits_fn)
    _check_signature(logits_fn, samples)
    return model


def _check_data(model: Any) -> None:
    """Refuse a `Partial` of what is no data."""
    if not isinstance(model, Partial):
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path((model.args, model.keywords)):
        if not hasattr(leaf, "dtype") and not isinstance(leaf, int | float | complex):
            name = jax.tree_util.keystr(path[1:], simple=True, separator="/")
            raise InputError(
                f"{name} of the model is a {type(leaf).__name__}, and a jax.tree_util.Partial "
                "takes arrays alone: give settings and functions in a functools.partial or a lambda"
            )


def _check_signature(model: LogitsFn, samples: int) -> None:
    """Tell a model with a key from one without, where its signature says so."""
    try:
        signature = _signature(applying(model))
    except (TypeError, ValueError):  # of built-in functions
        return

    def takes(count: int) -> bool:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            return False
        return True

    expected, other = (2, 1) if samples else (1, 2)
    if takes(expected) or not takes(other):
        return
    if samples:
        raise InputError(f"samples={samples} but the model takes no key; leave samples at 0")
    raise InputError(
        "the model takes keys besides images, as a random one does; say how many draws its answers "
        "are averaged over with samples > 0, or bind its key"
    )


def _signature(model: Any) -> inspect.Signature:
    """Return the signature of a function; those of JAX have that of the function in them.

    Any other that wraps a function may take other arguments, whatever `functools.wraps` says.
    """
    file = getattr(getattr(model, "__code__", None), "co_filename", None)
    own = file is not None and not Path(file).is_relative_to(Path(jax.__file__).parent)
    return inspect.signature(model, follow_wrapped=not own)


def answers(logits_fn: LogitsFn, x: Array, *key: Array) -> Array:
    """Call a model, a random one with keys (B,), and return its logits (B, classes) in float32.

    What does not return them, or cannot be traced by jax, is refused.
    """
    try:
        logits = logits_fn(x, *key)
    except _UNTRACEABLE as error:
        raise InputError(
            "the model cannot be compiled by jax, because it asks for the values of its images"
            f"{_data_of(logits_fn)} (NumPy, PyTorch or a Python condition?): write it with "
            f"jax.numpy ({_first(error)})"
        ) from error
    except FlaxError as error:
        raise InputError(why_flax(error)) from error
    except TypeError as error:
        if "__hash__ on modules" not in str(error):  # of linen
            raise
        raise InputError(
            "the model is a jax.jit or jax.checkpoint of a bound flax module, which cannot be "
            "called; give the bound module itself, which attacks compile, or a lambda that calls it"
        ) from error
    # Flax gives (logits, state) where collections are mutable, others dictionaries or tuples.
    if not isinstance(logits, jax.Array | np.ndarray):
        raise InputError(
            f"the model returned {_described(logits)}; expected logits (B, classes): give a "
            f"function that picks them, such as lambda x: model(x){_picked(logits)}"
        )
    if logits.ndim != 2 or logits.shape[0] != len(x):
        raise InputError(
            f"the model returned logits of shape {logits.shape} for {len(x)} images; expected "
            f"({len(x)}, classes)"
        )
    if jnp.issubdtype(logits.dtype, jnp.complexfloating):
        raise InputError(
            f"the model returned {logits.dtype} logits, which have no order; expected real ones"
        )
    return jnp.asarray(logits).astype(jnp.float32)


def _data_of(model: Any) -> str:
    """Return the words about numbers in a `Partial`, which are data as its weights are."""
    named = [name for name, value in getattr(model, "keywords", {}).items() if _is_number(value)]
    count = sum(map(_is_number, getattr(model, "args", ())))
    if not named and not count:
        return ""
    what = " and ".join(named) or "its leading arguments"
    return (
        f", or of {what}, which a jax.tree_util.Partial takes for data: give settings in a "
        "functools.partial instead"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float) or getattr(value, "ndim", None) == 0


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _described(output: Any) -> str:
    kind = type(output).__name__
    if isinstance(output, dict):
        return f"a {kind} of {', '.join(map(repr, output)) or 'nothing'}"
    return f"a {kind} of {len(output)}" if isinstance(output, tuple | list) else f"a {kind}"


def _picked(output: Any) -> str:
    if isinstance(output, dict):
        return f"[{next(iter(output), 'logits')!r}]"
    return "[0]" if isinstance(output, tuple | list) else ".logits"
