"""Keypoints on pictures of examples, for people to look at."""

from typing import Any

import numpy as np

from rtickets.tasks.painting import MISSED, RIGHT, WRONG, class_colours, dotted


def shown(images: np.ndarray, points: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Return images, and on them the keypoints that are labelled, and those found of these.

    Args:
        images: float (N, H, W, C) in [0, 1].
        points: (N, K, 3): down and right in pixels, and 0 where one is not labelled.
        found: (N, K, 2).
    """
    kinds = np.where(points[..., 2] > 0, np.arange(points.shape[1]), -1)
    colours = class_colours(points.shape[1])
    return {
        "image": images,
        "truth": dotted(images, points[..., :2], kinds, colours),
        "answer": dotted(images, found, kinds, colours),
    }


def compared(
    images: np.ndarray, points: np.ndarray, found: np.ndarray, right: np.ndarray, most: int
) -> dict[int, Any]:
    """Return by keypoint where it was found rightly or wrongly, and where it is if wrongly.

    Args:
        right: bool (N, K).
        most: examples of a keypoint.
    """
    rows = {}
    for k in range(points.shape[1]):
        chosen = np.flatnonzero(points[:, k, 2] > 0)[:most]
        if len(chosen):
            kinds = np.where(right[chosen, k, None], [0, -1], [1, 2])
            both = np.stack([found[chosen, k], points[chosen, k, :2]], 1)
            rows[k] = dotted(images[chosen], both, kinds, np.array([RIGHT, WRONG, MISSED]))
    return rows
