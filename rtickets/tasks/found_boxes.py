"""What a head of FCOS has found in images: the best boxes that do not repeat each other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.images.moved_boxes import clipped
from rtickets.tasks.boxes import suppress
from rtickets.tasks.places import Places, boxes_at

_AT_ONCE = 32  # images whose boxes are compared with each other side by side


class Found(NamedTuple):
    """The K best boxes of B images, the best first.

    Attributes:
        boxes: float32 (B, K, 4) in pixels; zeros where fewer were found.
        scores: float32 (B, K) in (0, 1), 0 likewise.
        classes: int32 (B, K), -1 likewise.
    """

    boxes: Array
    scores: Array
    classes: Array


class Choice(NamedTuple):
    """How boxes are chosen.

    Attributes:
        candidates: boxes of an image, the best, that are compared with each other.
        kept: boxes of an image that are kept at most.
        least: score that a box has at least.
        overlap: IoU with a better box of its class from which on a box repeats it.
    """

    candidates: int
    kept: int
    least: float
    overlap: float


def found_boxes(answers: Array, places: Places, size: tuple[int, int], choice: Choice) -> Found:
    """Choose boxes.

    Args:
        answers: float32 (B, P, C + 5), of all places, see `rtickets.models.heads.fcos`.
        places: the places.
        size: (height, width) of the images, which boxes are cut off at.
        choice: how.
    """

    def of_one(one: Array) -> Found:
        likely, distances, centre = one[:, :-5], one[:, -5:-1], one[:, -1]
        scores = jnp.sqrt(jax.nn.sigmoid(likely) * jax.nn.sigmoid(centre)[:, None])
        best, which = jax.lax.top_k(scores.ravel(), min(choice.candidates, scores.size))
        place, named = which // likely.shape[1], which % likely.shape[1]
        boxes = clipped(jnp, boxes_at(places, distances)[place], size)
        some = (best >= choice.least) & boxes.any(-1)
        left = suppress(boxes, jnp.where(some, best, -jnp.inf), named, choice.overlap)
        kept, chosen = jax.lax.top_k(left, min(choice.kept, left.size))
        real = jnp.isfinite(kept)
        return Found(
            jnp.where(real[:, None], boxes[chosen], 0),
            jnp.where(real, kept, 0),
            jnp.where(real, named[chosen], -1).astype(jnp.int32),
        )

    # Comparing all pairs takes the square of the candidates in memory, an image.
    return Found(*jax.lax.map(of_one, answers, batch_size=min(_AT_ONCE, len(answers))))
