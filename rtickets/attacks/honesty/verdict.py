"""Whether a robust accuracy can be trusted: signs that gradients mislead the attack.

An attack that fails says little about a model whose gradients are zero, random or wrong. The signs
are those of Athalye et al. 2018 (section 3.1), Carlini et al. 2019 (sections 4 and 5) and the flags
of AutoAttack (Croce & Hein 2020). They can show that a number is wrong, not that it is right.
"""

import numpy as np
from jax.typing import ArrayLike

from rtickets.attacks.honesty import attacks, gradients, probes
from rtickets.attacks.honesty.findings import Finding, Verdict, judged
from rtickets.attacks.honesty.results import EXCEPTIONS
from rtickets.attacks.honesty.results import check_results as check_results
from rtickets.attacks.inputs import KeyLike
from rtickets.attacks.lengths import cube_radius
from rtickets.attacks.projections import Norm
from rtickets.attacks.radii import check_count
from rtickets.attacks.search import LogitsFn

_SAME = 1e-4  # of the spread of the logits: rounding differs between calls on some devices
_ROUGH = 0.05  # of the same: rounding of models in bfloat16 at another place in the batch
_SUM_ERROR = 0.02  # of probabilities in bfloat16
_DISAGREE = 0.3  # share of images whose slopes may differ from the gradient; honest ones are 3%
_QUERIES, _RESISTING = 50, 16  # of the random search, and the images that it takes
_LOST = 0.03  # share of images that honest attacks lose by their step sizes, about 1 in 64


def check_model(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: float,
    norm: Norm = "linf",
    num_steps: int = 20,
    samples: int = 0,
) -> Verdict:
    """Examine whether gradient attacks on a model mean what they seem to.

    It costs at most 4.25 num_steps + 35 evaluations of the model, two of which are not compiled,
    and 50 without gradients on 16 images, by which Square tries what PGD has left. It takes three
    compilations, which a `jax.tree_util.Partial` shares with others of the same function. For what
    is not named here see the head of `rtickets.attacks`.

    Args:
        x: floats (B, ...) in [0, 1]; 64 to 128 test images are enough.
        eps: radius of the evaluation in pixel units, positive.
        num_steps: steps of the longest attack, at least 8.
        samples: draws of a model declared to be random, which is examined for a fixed set of them.

    Returns:
        One finding per check of a model, in the order of `CHECKS`; no 'black box' for a random one
        and for inputs that are not images (B, H, W, C). 'plain call' is there only for a model
        that runs nowhere but in its own `jax.jit`.

    Raises:
        InputError: for arguments, labels or clean logits that cannot be used.
    """
    check_count(num_steps, 8, "num_steps")  # it is compared with fewer
    subject = probes.make_subject(logits_fn, x, y, key, eps, norm, samples)
    changes = probes.logit_changes(subject)
    return Verdict(
        (
            *_outputs(subject, np.median(changes, axis=1)),
            *_gradients(subject, changes[-1] > 0),
            *_attacks(subject, eps, num_steps),
            *_plain(subject.unknown),
        )
    )


def _plain(unknown: str) -> list[Finding]:
    return [Finding("plain call", None, float("nan"), unknown)] if unknown else []


def _outputs(subject: probes.Examined, changes: np.ndarray) -> list[Finding]:
    difference, flat = probes.repeat_difference(subject), probes.flat_share(subject)
    error, together = probes.probability_error(subject.clean), probes.companion_difference(subject)
    elsewhere = probes.place_difference(subject)
    told = (
        f"{change:.2g} by {move:.2g}" for change, move in zip(changes, probes.MOVES, strict=True)
    )
    return [
        judged(
            "random output", difference <= _SAME, difference,
            f"two calls with the same images differ by {difference:.2g} of the logits' spread",
        ),
        judged(
            "companions", together <= _SAME and elsewhere <= _ROUGH, max(together, elsewhere),
            f"beside other images the logits of an image change by {together:.2g} of their spread, "
            f"at another place in the batch by {elsewhere:.2g}",
        ),
        judged(
            "shattered output", not probes.has_jumps(changes), max(changes[:-1]),
            f"moving all pixels changes the logits by parts of their spread: {', '.join(told)}",
        ),
        judged(
            "probabilities", error > _SUM_ERROR, error,
            f"the outputs are {'not ' if error > _SUM_ERROR else ''}probabilities",
        ),
        judged(
            "quantised input", flat <= 0.25, flat,
            f"on {flat:.1%} of the images moving one shade by 1/64 changes no logit at all",
        ),
    ]  # fmt: skip


def _gradients(subject: probes.Examined, reacts: np.ndarray) -> list[Finding]:
    zero = gradients.zero_gradients(subject)
    right = subject.clean.argmax(-1) == np.asarray(subject.job.y)

    # What is misclassified anyway needs no gradient: only the others count.
    def share(where: np.ndarray) -> float:
        return float((where & right).sum() / max(right.sum(), 1))

    def judge(check: str, where: np.ndarray, seen: str) -> Finding:
        few = (where & right).sum() <= max(1, EXCEPTIONS * right.sum())
        seen = f"on {share(where):.1%} of the correctly classified images {seen}"
        return judged(check, few, share(where), seen)

    halves = f"{share(zero.bfloat16):.1%} in bfloat16 and {share(zero.float16):.1%} in float16"
    return [
        judge(
            "zero gradients", zero.cross_entropy,
            f"the gradient of the cross-entropy is zero (it would be on {halves})",
        ),
        judge(
            "saturated logits", zero.cross_entropy & ~zero.margin,
            "the cross-entropy has no gradient although the margin has one",
        ),
        judge(
            "disconnected gradient", zero.margin & reacts,
            "no gradient reaches the pixels although the logits depend on them",
        ),
        judge(
            "non-finite gradients", zero.broken,
            "the gradient has entries that are not finite",
        ),
        _slopes(gradients.slopes(subject)),
    ]  # fmt: skip


def _slopes(slopes: gradients.Slopes) -> Finding:
    """Compare gradients with what moving along and across them changes."""
    total = int(slopes.measurable.sum())
    along, across, both = (int((~each & slopes.measurable).sum()) for each in slopes.agree())
    seen = (
        f"of {total} images whose gradient can be measured, {along} change otherwise than it says "
        f"when moved along it and {across} when moved at random"
    )
    passed = both <= max(1, _DISAGREE * total)
    return judged("wrong gradients", passed, both / max(total, 1), seen)


def _attacks(subject: probes.Examined, eps: float, num_steps: int) -> list[Finding]:
    everything = cube_radius(subject.norm, subject.job.x.shape[1:])
    some = num_steps // 4
    by_steps = [attacks.fooled_by_pgd(subject, eps, steps) for steps in (1, some, num_steps)]
    half, double = (attacks.fooled_by_pgd(subject, eps * k, num_steps) for k in (0.5, 2))
    unbounded = attacks.fooled_by_pgd(subject, everything, num_steps)
    radii = f"{eps / 2:.3g}, {eps:.3g} and {2 * eps:.3g}"
    return [
        _growing("steps", by_steps, f"1, {some} and {num_steps} steps"),
        _growing("eps", [half, by_steps[-1], double], f"eps {radii}"),
        _unbounded(subject, float(1 - unbounded.mean()), everything),
        *(
            []
            if subject.samples or subject.job.x.ndim != 4
            else [_random_search(subject, by_steps[-1])]
        ),
    ]


def _random_search(subject: probes.Examined, fooled: np.ndarray) -> Finding:
    """Compare with an attack without gradients on images that PGD did not fool."""
    left = np.flatnonzero(~fooled)[:_RESISTING]
    found = attacks.fooled_by_square(subject, left, _RESISTING, _QUERIES)
    count, total = int(found.sum()), len(left)
    seen = f"{_QUERIES} random queries of Square fool {count} of {total} images that PGD left"
    return judged("black box", count <= max(2, _LOST * total), count / max(total, 1), seen)


def _growing(check: str, fooled: list[np.ndarray], settings: str) -> Finding:
    """Compare image by image: an attack should fool all images that the weaker ones do."""
    weaker = np.logical_or.accumulate(fooled)
    lost = max(int((before & ~now).sum()) for before, now in zip(weaker, fooled[1:], strict=False))
    total = len(fooled[0])
    accuracies = ", ".join(f"{1 - each.mean():.1%}" for each in fooled)
    seen = (
        f"PGD with {settings} leaves an accuracy of {accuracies}; {lost} of {total} images are "
        "fooled by a weaker attack and not by a stronger one"
    )
    return judged(check, lost <= max(2, _LOST * total), lost / total, seen)


def _unbounded(subject: probes.Examined, accuracy: float, radius: float) -> Finding:
    """Expect half of chance: painting all images alike would leave no more than chance."""
    total, classes = subject.clean.shape
    limit = max(EXCEPTIONS, 0.5 / classes, 1 / total)
    seen = (
        f"PGD that may change every pixel at will (eps {radius:.3g}) leaves an accuracy of "
        f"{accuracy:.1%}, and at most {limit:.1%} are expected"
    )
    answers, labels = np.unique(subject.clean.argmax(-1)), np.unique(np.asarray(subject.job.y))
    if len(answers) == 1 < len(labels):
        return judged("unbounded", True, accuracy, f"{seen} unless, as here, all answers are one")
    return judged("unbounded", accuracy <= limit, accuracy, seen)
