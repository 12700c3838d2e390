"""Whether results that an evaluation already has speak against it."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from rtickets.attacks.honesty.findings import Finding, Verdict, judged
from rtickets.errors import InputError

EXCEPTIONS = 0.02  # share of images
_POINTS = 0.002 + 1e-9  # 0.2 points of accuracy, and the rounding of a difference


def check_results(
    *,
    white_box: np.ndarray | None = None,
    black_box: np.ndarray | None = None,
    accuracy: Mapping[float, float] | None = None,
    examples: int | None = None,
    error: float = 0.0,
) -> Verdict:
    """Examine results that an evaluation already has; what one image shows is never enough.

    Args:
        white_box: bool (N,), images misclassified clean or under any attack with gradients.
        black_box: bool (N,), those under an attack without, such as Square or a transfer.
        accuracy: robust accuracy in [0, 1] by eps.
        examples: number of images behind these accuracies; None is very many.
        error: what draws of a random model alone may make two of these accuracies differ by.

    Returns:
        One finding for the pair of attacks, if given, and one for the accuracies, if given.
    """
    findings = []
    if white_box is not None or black_box is not None:
        share = _only_black_box(white_box, black_box)
        seen = f"{100 * share:.2f} points of the images are fooled by the black-box attack alone"
        few = _tolerated(None if white_box is None else len(white_box))
        findings.append(judged("black box", share <= few, share, seen))
    if accuracy is not None:
        pairs = pairwise(sorted(accuracy))
        rise = max((accuracy[high] - accuracy[low] for low, high in pairs), default=0.0)
        seen = f"robust accuracy rises by at most {100 * max(rise, 0):.2f} points to a larger eps"
        findings.append(
            judged("accuracy over eps", rise <= _tolerated(examples) + error, rise, seen)
        )
    return Verdict(tuple(findings))


def check_broken(broken: np.ndarray) -> Finding:
    """Examine whether an attack met gradients that were not finite, bool (N,), see `WorstCase`."""
    count, total = int(broken.sum()), len(broken)
    seen = f"gradients of {count} of {total} images had entries that were not finite"
    few = count <= max(1, EXCEPTIONS * total)
    return judged("non-finite gradients", few, count / total, seen)


def _tolerated(examples: int | None) -> float:
    """Return the difference of accuracies that says nothing, at least that of one image."""
    return max(_POINTS, (1 + 1e-9) / examples) if examples else _POINTS


def _only_black_box(white_box: np.ndarray | None, black_box: np.ndarray | None) -> float:
    if white_box is None or black_box is None:
        raise InputError("give both white_box and black_box, to compare them image by image")
    kinds = {(str(fooled.dtype), fooled.shape) for fooled in (white_box, black_box)}
    if kinds != {("bool", (white_box.size,))} or not white_box.size:
        raise InputError(
            f"white_box and black_box have dtypes and shapes {sorted(kinds)}; expected one bool "
            "per image and the same images in both"
        )
    return float((black_box & ~white_box).mean())
