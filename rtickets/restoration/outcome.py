"""What came of a restoration: peak, final and their gap, and whether it is one at all."""

from typing import Literal, NamedTuple

from rtickets.restoration.fit_lanes import shows_nothing
from rtickets.restoration.fits import Fitted
from rtickets.restoration.problem import Problem

_MISSED = 1.15  # of the variance of noise: what is said not to be explained by it
_FLAT = 1e-3  # standard deviation over places of a picture that shows nothing

Verdict = Literal["sound", "collapsed", "diverged"]


class Outcome(NamedTuple):
    """A restoration in numbers.

    Attributes:
        peak: the best PSNR of the history in dB.
        peak_step: when it was.
        final: the PSNR in the end.
        gap: peak less final: what overfitting took.
        final_average: PSNR of the exponential mean of pictures.
        ssim: in the end.
        noisy: PSNR of what was observed.
        verdict: 'diverged' where going back did not help; 'collapsed' where the picture is of one
            colour, or no better than the best such; else 'sound'.
        backs: steps at which the run went back.
    """

    peak: float
    peak_step: int
    final: float
    gap: float
    final_average: float
    ssim: float
    noisy: float
    verdict: Verdict
    backs: tuple[int, ...]


def outcome_of(fitted: Fitted, problem: Problem) -> Outcome:
    """Return the numbers of a picture whose clean one is known; NaN where it is not."""
    points = [(p.psnr, p.step) for p in fitted.history if p.psnr is not None]
    last = fitted.history[-1]
    nothing = float("nan")
    peak, peak_step = max(points, key=lambda point: point[0]) if points else (nothing, 0)
    final = nothing if last.psnr is None else last.psnr
    average = nothing if last.psnr_average is None else last.psnr_average
    noisy = problem.noisy_psnr
    return Outcome(
        peak, peak_step, final, peak - final, average,
        nothing if last.ssim is None else last.ssim, nothing if noisy is None else noisy,
        verdict_of(fitted, problem), fitted.backs,
    )  # fmt: skip


def verdict_of(fitted: Fitted, problem: Problem, noise: float = -1.0) -> Verdict:
    """Return whether what was painted is a picture; the clean one is not looked at.

    Args:
        noise: the loss that noise alone leaves, where it is known: a picture of one colour that
            explains all but that is sound, as it is where what was observed is of one colour.
    """
    if fitted.stopped == "diverged":
        return "diverged"
    flat = problem.flat_loss
    if fitted.history[-1].loss <= noise or flat < _FLAT**2:
        return "sound"
    if float(fitted.picture.std((0, 1)).max()) < _FLAT:
        return "collapsed"
    return "collapsed" if shows_nothing(fitted.history[-1].loss, flat) else "sound"


def why_unfinished(error: float, noise: float) -> str | None:
    """Say that a picture misses more than noise, or return None where it does not.

    What was painted and the noise are hardly alike, so that the error to the clean picture is about
    the error to the noisy one less the variance of the noise.

    Args:
        error: mean squared error to the noisy picture, of pixels that are there.
        noise: variance of what noise leaves there; 0 says nothing.
    """
    if not noise or error <= _MISSED * noise:
        return None
    found = f"the picture is {error / noise:.1f} times as far from what was given as noise explains"
    more = "take more steps (training.steps)"
    if error > 2 * noise:
        return f"{found}, so it is probably worse than what was given; {more}"
    return f"{found}: it misses detail; {more}"
