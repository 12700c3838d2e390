"""Keypoints of a few images."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.data.images.augment import Transform
from rtickets.data.skeletons import EXTENT
from rtickets.tasks import Keypoints
from rtickets.tasks.heatmaps import hills

TASK = Keypoints(channels=8, layers=1, names=EXTENT.names, pairs=EXTENT.pairs, sigma=1.0)
SIZE = (32, 32)


def squares(count=4, seed=0):
    """Return images with a bright rectangle each, and the keypoints of its extent."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 120, (count, *SIZE, 3)).astype(np.uint8)
    points = np.full((count, 5, 3), 2, np.float32)
    areas = np.zeros(count, np.float32)
    for image, own, number in zip(images, points, range(count), strict=True):
        top, left = rng.integers(1, 14, 2)
        height, width = rng.integers(9, 16, 2)
        image[top : top + height, left : left + width] = 250, 200, 20
        bottom, right = top + height, left + width
        own[:, :2] = [
            ((top + bottom) / 2, (left + right) / 2),
            (top, left), (top, right), (bottom, left), (bottom, right),
        ]  # fmt: skip
        areas[number] = height * width
    return images, points, areas


def batch(count=4, task=TASK, transform=None):
    images, points, areas = squares(count)
    stored = {"image": images, "keypoints": points, "area": areas}
    return jax.tree.map(jnp.asarray, task.prepare(transform or Transform(), stored))


def right_answers(examples, shape=(16, 16), sigma=1.0):
    return hills(examples["keypoints"][..., :2], SIZE, shape, sigma)[0]
