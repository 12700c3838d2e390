"""What an attack takes, in the form that it works on, and what it refuses before it is computed."""

from collections.abc import Callable
from functools import lru_cache, partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks.models import as_model
from rtickets.attacks.search import LogitsFn, call_model, join_model, split_model
from rtickets.errors import InputError
from rtickets.platform.hoisting import compiled

KeyLike = Array | np.ndarray | int
_RESTARTS = 2**30  # far from the counts of evaluations, which are folded into keys as well


class Inputs(NamedTuple):
    """What an attack works on.

    Attributes:
        logits_fn: the model.
        x: float32 images (B, ...).
        y: int32 labels (B,).
        keys: typed PRNG keys (B,).
    """

    logits_fn: LogitsFn
    x: Array
    y: Array
    keys: Array


def read_inputs(
    logits_fn: Any, x: ArrayLike, y: ArrayLike, key: KeyLike, samples: int = 0
) -> Inputs:
    """Check everything that can be without the model; see the head of `rtickets.attacks`."""
    model, images = as_model(logits_fn, samples), as_images(x)
    labels = as_classes(y, len(images))
    keys = example_keys(key, len(images))
    return Inputs(model, jnp.asarray(images), labels, keys)


def as_images(x: ArrayLike) -> Any:
    """Return images as float32, on the device or host where they are.

    Args:
        x: floats (B, ...) in [0, 1] of any precision, or nested lists of them; most attacks take
            vectors (B, D) and sequences (B, T, D) as well as images (B, H, W, C).

    Returns:
        The same as float32, a NumPy array unless it came as a jax array.

    Raises:
        InputError: for no images, integers, one image without a batch, values outside [0, 1], NaN;
            values are not checked while they are being traced.
    """
    refuse_masked(x, "images")
    images = x if isinstance(x, jax.Array | np.ndarray) else _read(x, "images")
    if not images.size:
        raise InputError(f"there are no images: their shape is {images.shape}")
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise InputError(f"images are {images.dtype}; expected floats in [0, 1]: divide by 255")
    if images.ndim < 2:
        raise InputError(
            f"images have shape {images.shape}; expected a batch (B, ...): for one, take x[None]"
        )
    with np.errstate(over="ignore"):  # infinity is refused below
        images = images.astype(jnp.float32)
    if is_traced(images):
        return images
    with jax.ensure_compile_time_eval():  # they may be constants of a function being traced
        low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise InputError(
            f"images lie in [{low:g}, {high:g}]; expected [0, 1], normalised by the model"
        )
    return images


def refuse_masked(values: Any, name: str) -> None:
    """Raise InputError for masked arrays, also in lists; most functions forget the mask."""
    if any(map(np.ma.isMaskedArray, jax.tree.leaves(values))):
        raise InputError(f"{name}: a masked array hides some of its values; fill it first")


def as_classes(classes: ArrayLike, batch: int, name: str = "labels") -> Array:
    """Return one int32 class per image, of `batch` integers of any width or a list of them.

    Constants of a function being traced keep their values; `name` is what they are, for errors.
    """
    refuse_masked(classes, name)
    given = classes if isinstance(classes, jax.Array | np.ndarray) else _read(classes, name)
    if given.shape != (batch,) or not jnp.issubdtype(given.dtype, jnp.integer):
        raise InputError(
            f"{name} have shape {given.shape} and dtype {given.dtype}; expected integers "
            f"({batch},), one per image"
        )
    if is_traced(given):
        return jnp.asarray(given, jnp.int32)
    if given.dtype.itemsize >= 4 and (np.abs(np.asarray(given, np.float64)) >= 2**31).any():
        raise InputError(f"{name} lie in {given.min()} ... {given.max()}; expected 0, 1, 2, ...")
    with jax.ensure_compile_time_eval():
        return jnp.asarray(given, jnp.int32)


def _read(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # lists of different lengths, PyTorch
        raise InputError(f"{name} are not an array: {error}") from None


def check_labels(logits: Array | jax.ShapeDtypeStruct, y: Array, name: str = "label") -> None:
    """Check labels against the model's clean logits, or their shape where these are not computed.

    Labels out of range, fewer than 2 classes, and logits that are not finite are refused; values
    that are being traced are not checked.
    """
    if logits.shape[1] < 2:
        raise InputError(
            f"the model returned logits of shape {logits.shape}; expected at least 2 classes: for "
            "one logit z, return jnp.stack([-z, z], -1) / 2"
        )
    if not is_traced(y):
        labels, classes = np.asarray(y), logits.shape[1]
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            first = int(wrong.argmax())
            raise InputError(
                f"{name} {int(labels[first])} of image {first} is not in 0 ... {classes - 1}"
            )
    if isinstance(logits, jax.core.Tracer | jax.ShapeDtypeStruct):
        return
    broken = ~np.isfinite(np.asarray(logits)).all(-1)
    if broken.any():
        raise InputError(
            f"the logits of {broken.sum()} clean images are not finite, first of image "
            f"{int(broken.argmax())}; repair the model before attacking it"
        )


def clean_logits(logits_fn: LogitsFn, x: Array, key: Array, samples: int = 0) -> Array:
    """Return float32 logits of unperturbed images, the mean over a random model's samples."""
    if in_trace() or is_traced((x, logits_fn)):
        return call_model(logits_fn, x, key, samples).mean(0)
    function, arguments = split_model(logits_fn)
    return _compiled_logits(function, samples)(arguments, x, key)


@lru_cache(maxsize=16)
def _compiled_logits(function: Callable[..., Array], samples: int) -> Any:
    def logits(arguments: Any, x: Array, key: Array) -> Array:
        return call_model(join_model(function, arguments), x, key, samples).mean(0)

    return compiled(logits)


def is_traced(tree: Any) -> bool:
    """Return whether any leaf is a tracer, whose values are not known yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def in_trace() -> bool:
    """Return whether this is called inside `jax.jit` or alike, where even constants are traced."""
    return is_traced(jnp.add(0, 0))


def refuse_trace(name: str, *arguments: Any) -> None:
    """Raise InputError for a function that decides on the host, called while being traced."""
    if in_trace() or is_traced(arguments):
        raise InputError(
            f"{name} decides on the host what to do next, so it cannot be called inside jax.jit, "
            "jax.vmap or jax.grad; call it outside, it compiles what it runs by itself"
        )


def example_keys(key: KeyLike, batch: int) -> Array:
    """Return one PRNG key per example.

    Args:
        key: one key, from which the keys of the positions 0, 1, ... are derived, or keys (B,) that
            the caller tied to the examples so that results do not depend on their positions. A seed
            stands for `jax.random.key(seed)`, and raw keys of `jax.random.PRNGKey` for typed ones.

    Raises:
        InputError: if there are neither 1 nor B keys.
    """
    keys = _typed(key)
    if keys.ndim == 0:
        return jax.vmap(partial(jax.random.fold_in, keys))(jnp.arange(batch))
    if keys.shape != (batch,):
        raise InputError(
            f"key has shape {keys.shape}; expected one key or one per image ({batch},)"
        )
    return keys


def _typed(key: KeyLike) -> Array:
    """Return typed keys for typed ones, raw ones and seeds."""
    refuse_masked(key, "key")
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if not -(2**63) <= key < 2**63:
            raise InputError(f"key={key} is no seed, which has 64 bits at most")
        return jax.random.key(int(key))
    if isinstance(key, jax.Array | np.ndarray):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            return jnp.asarray(key)
        if jnp.issubdtype(key.dtype, jnp.integer) and not key.ndim:
            return jax.random.key(key)
        words = jax.random.key_data(jax.random.key(0)).shape
        if key.dtype == jnp.uint32 and key.ndim in (1, 2) and key.shape[-1:] == words:
            return jax.random.wrap_key_data(jnp.asarray(key))
    shape, dtype = getattr(key, "shape", ""), getattr(key, "dtype", type(key).__name__)
    raise InputError(
        f"key is {dtype}{shape}; expected jax.random.key(seed), or the seed, or one key per image"
    )


def usual_keys(keys: Array) -> Array:
    """Return keys (B,) of the kind that `jax.random.key` makes; others stand for one each."""
    if keys.dtype == jax.random.key(0).dtype:
        return keys

    def stand_in(words: Array) -> Array:
        return reduce(jax.random.fold_in, list(words), jax.random.key(0))

    return jax.vmap(stand_in)(jax.random.key_data(keys))


def restart_keys(keys: Array, restart: int) -> Array:
    """Return the keys (B,) of a restart; the first run, number 0, keeps the given ones."""
    if restart == 0:
        return keys
    return jax.vmap(lambda key: jax.random.fold_in(key, _RESTARTS + restart))(keys)
