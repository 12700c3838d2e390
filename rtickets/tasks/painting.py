"""Colours on pictures of examples, for people to look at."""

import colorsys

import numpy as np

RIGHT, WRONG, MISSED = (0.1, 0.65, 0.2), (0.85, 0.1, 0.1), (0.1, 0.35, 0.95)
_OPACITY = 0.6


def overlaid(images: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """Return images in grey under the colours of the classes of their pixels.

    Args:
        images: float (N, H, W, C) in [0, 1].
        classes: integers (N, H, W) in 0 ... count - 1; 0 has no colour.
        count: number of classes.
    """
    grey = np.asarray(images).mean(-1, keepdims=True)
    there = (classes > 0)[..., None]
    return np.where(there, (1 - _OPACITY) * grey + _OPACITY * class_colours(count)[classes], grey)


def outlined(
    images: np.ndarray, boxes: np.ndarray, kinds: np.ndarray, colours: np.ndarray
) -> np.ndarray:
    """Return images in colour, with the outlines of boxes in the colours of their kinds.

    Args:
        images: float (N, H, W, C) in [0, 1].
        boxes: float (N, M, 4) in pixels: top, left, bottom, right; of several the first is on top.
        kinds: integers (N, M), places in `colours`, -1 where there is no box.
        colours: float (kinds, 3).
    """
    painted = np.broadcast_to(np.asarray(images), (*images.shape[:3], 3)).copy()
    height, width = images.shape[1:3]
    wide = max(1, min(height, width) // 64)
    for number, place in np.argwhere(kinds >= 0)[::-1]:
        corners = np.rint(boxes[number, place]).astype(int)
        top, left = np.clip(corners[:2], 0, [height - 1, width - 1])
        bottom, right = np.clip(corners[2:], [top + 1, left + 1], [height, width])
        inside = painted[number, top:bottom, left:right]
        for edge in (np.s_[:wide], np.s_[-wide:], np.s_[:, :wide], np.s_[:, -wide:]):
            inside[edge] = colours[kinds[number, place]]
    return painted


def compared(images: np.ndarray, there: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Return images in grey under what is found (green), missed (blue) and answered wrongly (red).

    Args:
        images: float (N, H, W, C) in [0, 1].
        there: bool (N, H, W), where something is.
        answered: bool (N, H, W), where it is said to be.
    """
    grey = np.asarray(images).mean(-1, keepdims=True).repeat(3, -1)
    for where, colour in (
        (there & answered, RIGHT), (there & ~answered, MISSED), (answered & ~there, WRONG),
    ):  # fmt: skip
        grey[where] = (1 - _OPACITY) * grey[where] + _OPACITY * np.array(colour)
    return grey


def class_colours(count: int) -> np.ndarray:
    """Return a colour for every class, float (count, 3), those of neighbours far apart."""
    golden = (5**0.5 - 1) / 2
    hues = [(number * golden) % 1 for number in range(count)]
    return np.array([colorsys.hsv_to_rgb(hue, 0.85, 0.95) for hue in hues])


def framed(images: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) in colour, in a frame that says which answers are right, (N,)."""
    colour = np.broadcast_to(np.asarray(images), (*images.shape[:3], 3)).copy()
    frame = np.where(np.asarray(right)[:, None], RIGHT, WRONG)[:, None, None]
    wide = max(1, min(images.shape[1:3]) // 16)
    for edge in (np.s_[:, :wide], np.s_[:, -wide:], np.s_[:, :, :wide], np.s_[:, :, -wide:]):
        colour[edge] = frame
    return colour


def dotted(
    images: np.ndarray, points: np.ndarray, kinds: np.ndarray, colours: np.ndarray
) -> np.ndarray:
    """Return images in grey, with dots at points in the colours of their kinds.

    Args:
        images: float (N, H, W, C) in [0, 1].
        points: float (N, M, 2) in pixels, down and right; of several the first is on top.
        kinds: integers (N, M), places in `colours`, -1 where there is no point.
        colours: float (kinds, 3).
    """
    painted = np.asarray(images).mean(-1, keepdims=True).repeat(3, -1)
    height, width = images.shape[1:3]
    wide = max(1, min(height, width) // 32)
    for number, place in np.argwhere(kinds >= 0)[::-1]:
        row, column = np.floor(points[number, place]).astype(int) - wide // 2
        top, left = max(row, 0), max(column, 0)
        painted[number, top : max(row + wide, 0), left : max(column + wide, 0)] = colours[
            kinds[number, place]
        ]
    return painted
