"""How strong a reported attack is: what it spends on an image, what it leaves to a short one."""

from collections.abc import Mapping, Sequence

import numpy as np
from jax import Array

from rtickets.attacks.ensemble.autoattack import autoattack_members
from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.honesty import attacks, probes
from rtickets.attacks.honesty.findings import Finding, judged
from rtickets.attacks.projections import Norm
from rtickets.attacks.search import LogitsFn
from rtickets.errors import InputError

_LEAST_STEPS, _LEAST_QUERIES = 2, 500  # below both an attack does not search
_EXCEPTIONS, _OF_RANDOM = 0.01, 0.05  # share of images, beside one; random models answer otherwise


def spent(members: Sequence[Member], norm: Norm, num_classes: int) -> int:
    """Return the evaluations, draws counted one by one, of an image that resists all attacks."""
    return sum(
        member.search(norm, num_classes).evaluations
        * member.restarts
        * min(member.num_targets or 1, num_classes - 1)
        * max(member.samples, 1)
        for member in members
    )


def check_strength(members: Sequence[Member], norm: Norm, num_classes: int) -> Finding:
    """Say how strong attacks are by their budget, and find fault with what is no search.

    One step, however good on a linear model, and a few random queries leave an accuracy that is no
    robust accuracy, even if the model hides nothing. The value of the finding is the budget over
    that of the standard ensemble.
    """
    own, standard = (
        spent(each, norm, num_classes) for each in (members, autoattack_members("standard", norm))
    )
    steps = max((each.num_steps for each in members if not each.black_box), default=0)
    queries = max((each.num_steps for each in members if each.black_box), default=0)
    kinds = [f"{steps} step{'s' * (steps != 1)} along gradients"] if steps else []
    kinds += [f"{queries} queries without gradients"] if queries else []
    seen = (
        f"{' and '.join(kinds)}, {own:,} evaluations for an image that resists, "
        f"{own / standard:.2g} of the standard ensemble's {standard:,}; the accuracy is an upper "
        "bound"
    )
    searches = steps >= _LEAST_STEPS or queries >= _LEAST_QUERIES
    return judged("weak attack", searches, own / standard, seen)


def check_reported(
    logits_fn: LogitsFn,
    x: Array,
    y: Array,
    key: Array,
    robust: Mapping[float, np.ndarray],
    *,
    norm: Norm = "linf",
    num_steps: int = 20,
    samples: int = 0,
) -> Finding:
    """Attack images that a reported attack was run on, and compare image by image.

    At every radius PGD on the cross-entropy and on the margin are tried from the images themselves,
    2 (num_steps + 1) evaluations that share their program with `check_model`. What a smaller radius
    fools counts at the larger, too.

    One image is tolerated whatever their number, and 1% of many: of two attacks of full strength
    each fools single images near the boundary that the other does not, and a share of so few images
    is not known better than to one of them. The finding counts and names it all the same.

    Args:
        robust: by radius in pixel units, which of these images the evaluation left as robust, bool
            (B,).
        num_steps: steps of the attack.
        samples: draws of a random model, 0 for one that takes no key; what is found against it
            counts if fresh draws are fooled as well.

    Returns:
        The finding, at the radius where most is found; what one image shows is never enough.
    """
    for eps, left in robust.items():
        if left.shape != (len(x),) or left.dtype != bool or not eps > 0:
            raise InputError(
                f"robust at eps={eps} has dtype {left.dtype} and shape {left.shape}; expected bool "
                f"({len(x)},), one per image, at positive radii"
            )
    largest = max(robust)
    subject = probes.make_subject(logits_fn, x, y, key, largest, norm, samples)
    fooled, worst = np.zeros(len(subject.clean), bool), (-1, largest, robust[largest])
    for eps, left in sorted(robust.items()):
        fooled = fooled | attacks.fooled_for_sure(subject, eps, num_steps)
        worst = max(worst, (int((fooled & left).sum()), eps, left & ~fooled), key=lambda w: w[0])
    count, eps, joined = worst
    total, reported = len(joined), robust[eps].mean()
    seen = (
        f"at eps {eps:.3g} the check's own PGD of {num_steps} steps fools {count} of {total} "
        f"images that the attack left as robust: it leaves {reported:.1%} of these {total}, both "
        f"together leave {joined.mean():.1%}"
    )
    few = max(2, _OF_RANDOM * total) if samples else max(1, _EXCEPTIONS * total)
    return judged("found more", count <= few, count / total, seen)
