"""What an imported network computes on fixed images, and how that compares with the original."""

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import masks, models
from rtickets.data.limits import check_zip
from rtickets.errors import InputError

_COUNT = 2
_BATCH = 16
_ROUNDING = 1e-3  # of images that were resized
_TOLERANCE = 1e-3  # of the largest logit; float32 sums in another order differ by far less


class Reference(NamedTuple):
    """What the original computes.

    Attributes:
        name: where the logits come from.
        images: float32 images (N, H, W, C) in [0, 1].
        logits: (N, classes).
    """

    name: str
    images: np.ndarray
    logits: np.ndarray


def fixed_images(shape: tuple[int, int, int]) -> np.ndarray:
    """Return the fixed images (2, H, W, C) in [0, 1]: noise, the same on every machine."""
    count = _COUNT * int(np.prod(shape))
    bits = np.random.PCG64(0).random_raw(count)  # a stream that NumPy promises never to change
    return (bits >> np.uint64(40)).astype(np.float32).reshape(_COUNT, *shape) / 2**24


def read_reference(path: Path) -> Reference:
    """Read the logits of the original network from an .npz file of `images` and `logits`."""
    try:
        check_zip(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, logits = (arrays[name].astype(np.float32) for name in ("images", "logits"))
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(
            f"--reference={path}: {error}; expected an .npz file with images (N, H, W, C) in "
            "[0, 1] and logits (N, classes)"
        ) from None
    if images.ndim != 4 or logits.ndim != 2 or len(images) != len(logits) or not len(images):
        raise InputError(
            f"--reference={path}: images {images.shape} and logits {logits.shape}, expected "
            "(N, H, W, C) and (N, classes)"
        )
    if not (images.min() >= -_ROUNDING and images.max() <= 1 + _ROUNDING):
        raise InputError(
            f"--reference={path}: images lie in [{images.min():g}, {images.max():g}], expected "
            "[0, 1]; divide pixels by 255, and leave normalisation to the network"
        )
    return Reference(path.name, images, logits)


def report(
    model: models.Model, params: Any, batch_stats: Any, shape: Any, reference: Reference | None
) -> dict[str, Any]:
    """Describe an imported network in numbers.

    Args:
        shape: (H, W, C) of its images.
        reference: what the original computes, or None.

    Returns:
        The first logits on the fixed images, and the largest difference from the reference.

    Raises:
        InputError: if the network does not compute what the reference does.
    """
    run = partial(_compiled(model), params, batch_stats)
    fixed = np.asarray(run(fixed_images(tuple(shape))))
    parity = None
    if reference is not None:
        images = reference.images
        if images.shape[-1] != shape[-1]:
            raise InputError(
                f"{reference.name} has images {images.shape}, expected {shape[-1]} channels"
            )
        starts = range(0, len(images), _BATCH)
        ours = np.concatenate([np.asarray(run(images[i : i + _BATCH])) for i in starts])
        parity = _compare(ours, reference)
    return {
        "fixed_logits": [[float(value) for value in row[:5]] for row in fixed],
        "parity": parity,
    }


@lru_cache(maxsize=8)
def _compiled(model: models.Model) -> Any:
    return jax.jit(partial(models.logits, model))


def checksum(tree: Any) -> str:
    """Return the SHA-256 of all leaves of a pytree, their paths and shapes."""
    total = hashlib.sha256()
    for path, leaf in masks.leaf_paths(tree).items():
        array = np.ascontiguousarray(leaf)
        total.update(f"{path} {array.dtype} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _compare(ours: np.ndarray, reference: Reference) -> dict[str, Any]:
    theirs = reference.logits
    if ours.shape != theirs.shape:
        raise InputError(
            f"{reference.name} has logits {theirs.shape}, the imported network {ours.shape}"
        )
    difference = float(np.abs(ours - theirs).max())
    largest = float(np.abs(theirs).max())
    if not difference <= _TOLERANCE * max(largest, 1.0):
        raise InputError(
            f"the imported network does not compute what {reference.name} says: logits differ by "
            f"{difference:.3g} where the largest is {largest:.3g}; it is another network of the "
            "same names (--arch, --variant, --activation, --epsilon), of other pixel statistics "
            "(--mean, --std) or of another order of channels (--bgr)"
        )
    return {
        "reference": reference.name,
        "images": len(ours),
        "max_difference": difference,
        "largest_logit": largest,
        "same_top1": int((ours.argmax(1) == theirs.argmax(1)).sum()),
    }
