"""How far the images of a task are from those of another, in the eyes of a network."""

from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass
from scipy.special import ndtri

from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.evaluation.frechet import frechet_distance, gaussian_of
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.measures.elsewhere import test_images
from rtickets.evaluation.predict import Examples
from rtickets.evaluation.subject import spread
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured

_PARTS = 10  # of the examples, that the interval leaves out one after the other


@dataclass(frozen=True, config=STRICT)
class DomainGapSettings(MeasureConfig):
    """The Frechet distance between features of two sets of images (Heusel et al. 2017).

    The features are the pooled ones of the network that is measured, whatever it is. So distances
    compare sets in the eyes of one network, not networks; and as they depend on the number of
    images, both sets have as many. The interval is that of the jackknife over tenths of them.

    Attributes:
        data: the source of the other images, its test split; a transfer's is the source task.
        examples: at most so many of each, spread evenly.
    """

    name: Literal["domain_gap"] = "domain_gap"
    data: DataConfig | None = None
    examples: Positive = 2000

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over both sets of images."""
        return float(min(self.examples, examples) + self.examples)

    def check(self, examples: Examples) -> None:
        """Look for backbone and images before anything is computed."""
        self._both(examples)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the distance as `frechet`."""
        ours, others = (asked.features(each) for each in self._both(asked.examples))
        return {"frechet": _with_interval(ours, others)}

    def _both(self, examples: Examples) -> tuple[Examples, Examples]:
        """Return equally many images of the task and of the source."""
        if self.data is None:
            raise InputError("needs the other images: set data.source, such as 'fashion_mini'")
        others = test_images(self.data, examples, min(self.examples, len(examples.split)))
        count = len(others.split)
        if count < 2 * _PARTS:
            raise InputError(f"{count} images of each set are too few; give {2 * _PARTS} or more")
        own = examples.split.take(spread(len(examples.split), count))
        return examples._replace(split=own), others


def _with_interval(ours: np.ndarray, others: np.ndarray) -> Measured:
    """Return the distance, and how much it moves where a tenth of both sets is left out."""

    def distance(keep: Any) -> float:
        return frechet_distance(gaussian_of(ours[keep]), gaussian_of(others[keep]))

    value = distance(slice(None))
    places = np.arange(len(ours))
    without = np.array([distance(places % _PARTS != part) for part in range(_PARTS)])
    variance = (_PARTS - 1) * without.var()
    half = float(ndtri(0.975)) * variance**0.5
    low, high = max(value - half, 0.0), value + half
    return Measured(value, low, high, "", higher_is_better=None)
