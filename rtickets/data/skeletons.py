"""Keypoints by name: which of them a flip exchanges, and how exactly people place them."""

from typing import NamedTuple


class Skeleton(NamedTuple):
    """The K keypoints of a set.

    Attributes:
        names: in their order.
        pairs: numbers of those that change places in a mirrored image, as left and right eyes.
        sigmas: the deviation of each among those who label, in roots of an object's area; COCO's
            similarity (OKS) takes twice that.
        upper: numbers of those of the upper half of a body, () where there are no halves.
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    upper: tuple[int, ...] = ()


_SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_COCO_SIGMAS = (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089)

COCO_PERSON = Skeleton(
    ("nose", *(f"{side}_{name}" for name in _SIDES for side in ("left", "right"))),
    tuple((2 * number + 1, 2 * number + 2) for number in range(len(_SIDES))),
    (0.026, *(sigma for sigma in _COCO_SIGMAS for _ in range(2))),
    tuple(range(11)),
)
"""The person of COCO (Lin et al. 2014)."""

EXTENT = Skeleton(
    ("centre", "top_left", "top_right", "bottom_left", "bottom_right"),
    ((1, 2), (3, 4)),
    (0.05,) * 5,
)
"""The extent of an object in an upright box: its middle and corners; deviations are a choice."""
