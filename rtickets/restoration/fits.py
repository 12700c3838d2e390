"""What a fit of a network to one picture is asked, and what comes of it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.masks import Params
from rtickets.settings.kinds import STRICT, Positive


@dataclass(frozen=True, config=STRICT)
class FitConfig:
    """Training on one picture, by Adam.

    Attributes:
        steps: how many.
        learning_rate: halved whenever the run goes back.
        every: steps between points of the history.
        jitter: standard deviation of what is added to the network's noise, anew in every step.
        temperature: standard deviation of what is added to kernels after every step, in learning
            rates; 0.5 with a jitter of 1/30 is SGLD as published (Cheng et al. 2019).
        average: of the pictures of all steps the exponential mean with this decay is watched.
        checkpoint_every: steps between checkpoints, where there is a folder for them.
    """

    steps: Positive = 2500
    learning_rate: float = Field(default=1e-2, gt=0)
    every: Positive = 25
    jitter: float = Field(default=0.0, ge=0)
    temperature: float = Field(default=0.0, ge=0)
    average: float = Field(default=0.99, ge=0, lt=1)
    checkpoint_every: Positive = 5000


SGLD = FitConfig(jitter=1 / 30, temperature=0.5)


class Point(NamedTuple):
    """What was seen at a point of a history.

    Attributes:
        step: steps that were taken.
        loss: the mean squared error to what was observed, of the picture of this step.
        psnr: PSNR to the clean picture in dB, None where that is unknown.
        ssim: structural similarity likewise.
        psnr_average: PSNR of the exponential mean of pictures.
        loss_average: its loss.
        ssim_observed: structural similarity to what was observed, None where that is no picture.
    """

    step: int
    loss: float
    psnr: float | None
    ssim: float | None
    psnr_average: float | None
    loss_average: float
    ssim_observed: float | None = None


class Fitted(NamedTuple):
    """What came of a training.

    Attributes:
        history: points, the first before any step.
        params: weights in the end.
        picture: what they paint (H, W, C).
        average: the exponential mean of the pictures of all steps.
        backs: steps at which the run had jumped away and went back.
        stopped: why it ended: after all 'steps', because it was told to ('asked'), or 'diverged'.
    """

    history: tuple[Point, ...]
    params: Params
    picture: np.ndarray
    average: np.ndarray
    backs: tuple[int, ...]
    stopped: Literal["steps", "asked", "diverged"]


Watch = Callable[[Point], bool]
"""Is shown every point, and returns whether to stop."""
