"""What in an image a network's answer hangs on."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.tree_util import Partial
from pydantic.dataclasses import dataclass

from rtickets.evaluation.measures.base import Asked, MeasureConfig, mean_of
from rtickets.evaluation.saliency import (
    alignment,
    gradient_pictures,
    input_gradients,
    saliency_pictures,
    smooth_gradients,
)
from rtickets.settings.kinds import STRICT, NotNegative, Positive
from rtickets.tasks import Measured

Of = Literal["logit", "loss"]


@dataclass(frozen=True, config=STRICT)
class GradientSettings(MeasureConfig):
    """Gradients of the label's logit with respect to the image.

    The values are means over images: the `alignment` of image and gradient |<x, g>| / ||g||
    (Etmann et al. 2019), that of the SmoothGrad gradient (`smooth_alignment`), and the L2 `norm` of
    the gradient. The pictures are `image`, `gradient` (grey is zero), `smooth` (SmoothGrad), and
    `saliency`, the size of the smooth gradient.

    Attributes:
        examples: measured on so many images, spread evenly.
        shown: pictures of the first so many of them.
        of: 'logit' of the label, or 'loss', its cross-entropy.
        samples: noisy copies of SmoothGrad.
        sigma: standard deviation of their noise, in pixel units.
    """

    name: Literal["gradients"] = "gradients"
    examples: Positive = 64
    shown: Positive = 8
    of: Of = "logit"
    samples: Positive = 25
    sigma: NotNegative = 0.15
    needs_classes = needs_images = True

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """Three for a forward and a backward pass, of every image and noisy copy."""
        return 3.0 * (1 + self.samples) * min(self.examples, examples)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the means, and keep the pictures of the first images."""
        chosen = asked.chosen(self.examples)
        score = Partial(_score(self.of), asked.logits_fn())
        plain, smooth = [], []
        for start in range(0, len(chosen.x), asked.batch_size):
            part = slice(start, start + asked.batch_size)
            x, keys, labels = chosen.x[part], chosen.keys[part], chosen.y[part]
            plain.append(input_gradients(score, x, labels))
            noise: dict[str, Any] = {"sigma": self.sigma, "samples": self.samples}
            smooth.append(smooth_gradients(score, x, keys, labels, **noise))
        own, smoothed = jnp.concatenate(plain), jnp.concatenate(smooth)
        first = slice(self.shown)
        asked.keep("image", chosen.x[first])
        asked.keep("gradient", gradient_pictures(own[first]))
        asked.keep("smooth", gradient_pictures(smoothed[first]))
        asked.keep("saliency", saliency_pictures(smoothed[first]))
        length = np.linalg.norm(np.asarray(own, np.float64).reshape(len(own), -1), axis=1)
        values = {
            "alignment": (alignment(chosen.x, own), True),
            "smooth_alignment": (alignment(chosen.x, smoothed), True),
            "norm": (length, None),
        }
        return {
            name: mean_of(np.asarray(each), "", better, (0, np.inf))
            for name, (each, better) in values.items()
        }


@lru_cache(maxsize=2)
def _score(of: Of) -> Callable[..., Array]:
    """Return what gradients are of; the same function each time, so that programs are shared."""

    def logit(logits_fn: Callable[[Array], Array], x: Array, labels: Array) -> Array:
        return jnp.take_along_axis(logits_fn(x), labels[:, None], -1)[:, 0]

    def loss(logits_fn: Callable[[Array], Array], x: Array, labels: Array) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(logits_fn(x), labels)

    return {"logit": logit, "loss": loss}[of]
