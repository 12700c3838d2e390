"""Counting the classes of noisy images, resumable at any moment."""

import hashlib
import io
import math
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks import example_keys
from rtickets.attacks.ensemble.saved_state import DAMAGED
from rtickets.attacks.identity import pin
from rtickets.attacks.inputs import KeyLike, as_images, clean_logits, refuse_trace
from rtickets.attacks.lengths import why_not_noise
from rtickets.attacks.models import LogitsFn, answers, as_model
from rtickets.attacks.search import join_model, split_model
from rtickets.errors import InputError, Preempted
from rtickets.platform import preemption
from rtickets.platform.hoisting import compiled
from rtickets.platform.programs import bytes_of
from rtickets.storage import guarded
from rtickets.storage.files import write_bytes

_SAVE_SECONDS = 60.0
_PROBED = 64  # noisy images by which a model is known: one batch, however many images there are


def noisy_counts(
    logits_fn: LogitsFn,
    x: ArrayLike,
    key: KeyLike,
    *,
    sigma: float,
    num_classes: int,
    samples: int,
    batch_size: int = 256,
    kept: Path | None = None,
) -> np.ndarray:
    """Count the classes of noisy copies of every image.

    Noise belongs to an image's key and the number of the copy, so that an image's counts depend
    neither on the others nor on the batch size.

    Args:
        logits_fn: maps images (B, ...) to logits (B, num_classes), one row per image. A
            `jax.tree_util.Partial` shares its compiled program.
        x: floats (N, ...) in [0, 1]; the device that holds them computes.
        key: one PRNG key, or a seed, or one key per image.
        sigma: standard deviation of the noise in pixel units.
        samples: number of copies of each image.
        batch_size: noisy images per call of the device; changes nothing but the speed.
        kept: file for the counts, written once a minute, from which the same call goes on.

    Returns:
        int32 (N, num_classes). Logits that are NaN count for no class.

    Raises:
        Preempted: if the process was asked to stop; the counts are kept then.
    """
    check_settings(sigma=sigma, num_classes=num_classes, samples=samples, batch_size=batch_size)
    refuse_trace("counting classes under noise", logits_fn, x, key, sigma)
    logits_fn, x = as_model(logits_fn), jnp.asarray(read_images(x))
    keys = example_keys(key, len(x))
    logits_fn = pin(logits_fn, x, keys, 0)
    refuse_trace("counting classes under noise", logits_fn)  # what a closure holds shows here
    function, arguments = split_model(logits_fn)
    settings = (sigma, num_classes, samples)
    work = _fingerprint(logits_fn, x, keys, settings) if kept else ""
    begin, counts = _load(kept, work) or (0, np.zeros((len(x), num_classes), np.int32))
    fixed = arguments, x, keys, jnp.float32(sigma), jnp.int32(samples)
    # On one device from the start: counts that moved in the first call would compile the second.
    device = min(x.devices(), key=lambda device: device.id)
    fixed, counts = jax.device_put((fixed, counts), device)
    run, saved = _compiled(function, batch_size), time.monotonic()
    with preemption.saving():
        for start in range(begin, len(x) * samples, batch_size):
            stop = preemption.heard()
            if stop or time.monotonic() - saved > _SAVE_SECONDS:
                _save(kept, work, start, counts)
                saved = time.monotonic()
            if stop:
                raise Preempted("asked to stop")
            before, counts = counts, run(fixed, np.array(divmod(start, samples), np.int32), counts)
            jax.block_until_ready(before)  # so that stopping does not wait for a long queue
    _save(kept, work, len(x) * samples, counts)
    return np.asarray(counts)


def _fingerprint(logits_fn: LogitsFn, x: Array, keys: Array, settings: tuple[float, ...]) -> str:
    """Return a digest of the work: of settings, images, keys and the model.

    The weights of a `Partial` and its classes of some of the noisy images stand for the model, else
    its logits of them.
    """
    digest = hashlib.sha256(repr(settings).encode())
    model = jax.tree.leaves(split_model(logits_fn)[1])
    number = np.arange(_PROBED)
    image, copy = number * max(len(x), _PROBED) // _PROBED % len(x), number // len(x)
    noise_keys = jax.vmap(jax.random.fold_in)(keys[image], copy)
    noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(noise_keys)
    logits = clean_logits(logits_fn, x[image] + settings[0] * noise, keys[image])
    model.append(logits.argmax(-1) if model else logits)
    for array in (*model, x, keys):
        digest.update(bytes_of(array))
    return digest.hexdigest()


def _save(kept: Path | None, work: str, position: int, counts: Array) -> None:
    if kept is None:
        return
    buffer = io.BytesIO()
    np.savez(buffer, work=work, position=position, counts=np.asarray(counts))
    write_bytes(kept, buffer.getvalue())


def _load(kept: Path | None, work: str) -> tuple[int, np.ndarray] | None:
    """Return (number of copies counted, counts); None where there are none of this work."""
    if kept is None:
        return None
    try:
        with guarded.open_to_read(kept) as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["work"]) == work:
                return int(stored["position"]), stored["counts"]
    except DAMAGED:
        pass
    return None


@lru_cache(maxsize=16)
def _compiled(function: Callable[..., Array], batch_size: int) -> Any:
    def add_counts(fixed: Any, start: Array, counts: Array) -> Array:
        """Add the next `batch_size` copies, numbered through all images, from (image, copy) on."""
        arguments, x, keys, sigma, samples = fixed
        copy = start[1] + jnp.arange(batch_size)
        image, copy = start[0] + copy // samples, copy % samples
        inside, image = image < len(x), jnp.minimum(image, len(x) - 1)
        noise_keys = jax.vmap(jax.random.fold_in)(keys[image], copy)
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(noise_keys)
        logits = answers(join_model(function, arguments), x[image] + sigma * noise)
        if logits.shape[1] != counts.shape[1]:
            raise InputError(
                f"num_classes={counts.shape[1]} does not fit logits of shape {logits.shape} for "
                f"{batch_size} images"
            )
        counted = inside & ~jnp.isnan(logits).any(-1)
        return counts.at[image, logits.argmax(-1)].add(counted.astype(jnp.int32))

    return compiled(add_counts)


def read_images(x: ArrayLike) -> Any:
    """Return images or vectors as `rtickets.attacks.inputs.as_images` does.

    Without labels nothing tells one image (H, W, C) from a batch of H, so three axes are refused.
    """
    images = as_images(x)
    if images.ndim == 3:
        raise InputError(
            f"x has shape {images.shape}; expected images (N, H, W, C) or vectors (N, D): give one "
            "image as x[None], and sequences (N, T, D) with an axis of size 1 for the model to drop"
        )
    return images


def check_settings(**settings: float) -> None:
    """Raise InputError for the first setting that is out of its range."""
    for name, value in settings.items():
        least = 2 if name == "num_classes" else 1
        if name == "sigma":
            fine, expected = 0 < value < math.inf, "a finite number above 0, in pixel units"
            if fine and (why := why_not_noise(value)):
                raise InputError(why)
        elif name == "alpha":
            fine, expected = 0 < value < 1, "between 0 and 1, for instance 0.001"
        else:
            fine = isinstance(value, int | np.integer) and value >= least
            expected = f"an integer of at least {least}"
        if not fine:
            raise InputError(f"{name}={value} must be {expected}")
