"""What has to hold for the keypoints of a data set, before anything is learnt from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.arrays import Raw
from rtickets.data.checks import some
from rtickets.data.skeletons import Skeleton
from rtickets.errors import InputError

KEYPOINTS, AREA, PICTURE, WINDOW = "keypoints", "area", "picture", "window"
"""Names of the arrays, see `rtickets.tasks.keypoints`."""


def check_names(own: Any) -> None:
    """Raise ValueError unless pairs, deviations and upper half are of a task's own names."""
    count = len(own.names)
    for field in ("pairs", "sigmas", "upper"):
        value = getattr(own, field)
        if value and not count:
            raise ValueError(f"{field} is of keypoints, which names does not name; give names")
    numbers = [*own.upper, *(one for pair in own.pairs for one in pair)]
    if odd := [number for number in numbers if not 0 <= number < count]:
        raise ValueError(f"there is no keypoint {odd[0]}: names has {count}, counted from 0")
    if len({one for pair in own.pairs for one in pair}) < 2 * len(own.pairs):
        raise ValueError(f"pairs={own.pairs}: a keypoint is in two of them")
    if own.sigmas and (len(own.sigmas) != count or min(own.sigmas) <= 0):
        raise ValueError(f"sigmas={own.sigmas}; expected {count} positive numbers")


def named_by(known: Skeleton | None, own: Any, source: str) -> dict[str, Any]:
    """Return names, pairs, deviations and upper half: a task's own, else those of its source.

    Args:
        known: what the source says of its keypoints.
        own: the task; of names that are not the source's it has no more than it says.
        source: what errors call it.

    Raises:
        InputError: for windows around halves of bodies without an upper half.
    """
    found = {field: getattr(own, field) for field in Skeleton._fields}
    if known is not None and own.names in ((), known.names):
        found = {field: value or getattr(known, field) for field, value in found.items()}
    if own.half_body and not found["upper"]:
        raise InputError(
            f"half_body={own.half_body} needs to know the upper half of a body, and the keypoints "
            f"of {source!r} say none; give upper (with names), or half_body=0"
        )
    return found


def check_keypoints(raw: Raw, names: Sequence[str], source: str) -> tuple[str, ...]:
    """Check the keypoints of all splits, and return which are labelled in no training example.

    Args:
        names: what they are called; () is by their numbers.
        source: what errors call what a source delivered.

    Raises:
        InputError: naming the split, and the first example that is wrong.
    """
    for part, split in (("train", raw.train), ("val", raw.validation), ("test", raw.test)):
        if split is not None:
            _check_split(split.arrays, names, f"{source}: {part}")
    points = np.asarray(raw.train.arrays[KEYPOINTS])
    labelled = np.count_nonzero(points[..., 2], axis=0)
    called = names or [str(number) for number in range(len(labelled))]
    unused = [name for name, seen in zip(called, labelled, strict=True) if not seen]
    return (f"keypoints without a training example: {some(unused)}",) if unused else ()


def _check_split(arrays: Mapping[str, Any], names: Sequence[str], name: str) -> None:
    if KEYPOINTS not in arrays or AREA not in arrays:
        raise InputError(
            f"{name}: its examples are {', '.join(arrays)}; to find keypoints they need "
            f"{KEYPOINTS!r}, floats (N, K, 3), and {AREA!r}, floats (N,)"
        )
    points, areas = np.asarray(arrays[KEYPOINTS]), np.asarray(arrays[AREA])
    fine = points.ndim == 3 and points.shape[1] > 0 and points.shape[2] == 3
    if (
        not fine
        or areas.shape != points.shape[:1]
        or {points.dtype.kind, areas.dtype.kind} != {"f"}
    ):
        raise InputError(
            f"{name}: keypoints are {points.dtype} {points.shape}, areas {areas.dtype} "
            f"{areas.shape}; expected floats (N, K, 3), down, right and whether it is labelled, "
            "and floats (N,)"
        )
    if names and len(names) != points.shape[1]:
        raise InputError(
            f"{name}: has {points.shape[1]} keypoints an example, task.names names {len(names)}; "
            "name all of them, in their order"
        )
    _check_beside(arrays, len(points), name)
    _check_values(points, areas, name)


def _check_beside(arrays: Mapping[str, Any], count: int, name: str) -> None:
    for array, shape, kinds in ((PICTURE, (count,), "iu"), (WINDOW, (count, 4), "f")):
        each = np.asarray(arrays.get(array, np.zeros(shape, kinds[0])))
        if each.shape != shape or each.dtype.kind not in kinds:
            raise InputError(f"{name}: {array!r} is {each.dtype} {each.shape}; expected {shape}")


def _check_values(points: np.ndarray, areas: np.ndarray, name: str) -> None:
    seen = points[..., 2]
    odd = np.argwhere(~np.isin(seen, (0, 1, 2)))
    if len(odd):
        raise InputError(
            f"{name}: keypoint {odd[0][1]} of example {odd[0][0]} has {seen[tuple(odd[0])]:g} in "
            "its third place; expected 0 (not labelled), 1 (hidden) or 2 (in sight)"
        )
    odd = np.argwhere((seen > 0) & ~np.isfinite(points).all(-1))
    if len(odd):
        raise InputError(f"{name}: keypoint {odd[0][1]} of example {odd[0][0]} is not finite")
    wrong = np.flatnonzero(~(np.isfinite(areas) & (areas > 0)))
    if wrong.size:
        raise InputError(
            f"{name}: example {wrong[0]} has the area {areas[wrong[0]]:g}; expected a positive "
            "number of pixels"
        )
    if not (seen > 0).any():
        raise InputError(f"{name}: no keypoint is labelled, so that there is nothing to find")


def window_of(raw: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    """Return which part of a picture images (H, W, ...) are, (B, 4); all of it if none is said."""
    if WINDOW in raw:
        return jnp.asarray(raw[WINDOW])
    whole = jnp.array([0, 0, shape[0], shape[1]], jnp.float32)
    return jnp.broadcast_to(whole, (len(raw[AREA]), 4))
