"""How far the images of a task are from those of another, in the eyes of a network."""

from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass
from scipy.special import ndtri

from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.evaluation.features import check_backbone
from rtickets.evaluation.frechet import frechet_distance, gaussian_of
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.measures.elsewhere import test_images
from rtickets.evaluation.predict import Examples, Network
from rtickets.evaluation.subject import spread
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured, Task

DISTANCE = "frechet"
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
    needs_images = True

    @property
    def how(self) -> str:  # type: ignore[override]
        """Which images they are compared with."""
        return f"from as many test images of {self.data.source}" if self.data else ""

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over both sets of images."""
        return 2.0 * min(self.examples, examples)

    def check(self, examples: Examples) -> None:
        """Load the other images once before anything is computed."""
        self._both(examples)

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse a network without features."""
        check_backbone(network)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the distance as `frechet`."""
        own, others = self._both(asked.examples)
        task, transform = asked.task, asked.examples.transform
        ours, theirs = asked.features(own, task, transform), asked.features(*others)
        return {DISTANCE: _with_interval(ours, theirs)._replace(examples=len(own))}

    def _both(self, examples: Examples) -> tuple[Split, tuple[Split, Task, Transform]]:
        """Return equally many images of the task, and of the source with how it is prepared."""
        if self.data is None:
            raise InputError("needs the other images: set data.source, such as 'fashion_mini'")
        others = test_images(self.data, examples, min(self.examples, len(examples.split)))
        count = len(others[0])
        if count < 2 * _PARTS:
            raise InputError(f"{count} images of each set are too few; give {2 * _PARTS} or more")
        return examples.split.take(spread(len(examples.split), count)), others


def _with_interval(ours: np.ndarray, others: np.ndarray) -> Measured:
    """Return the distance, and how much it moves where a tenth of both sets is left out."""

    def distance(keep: Any) -> float:
        return frechet_distance(gaussian_of(ours[keep]), gaussian_of(others[keep]))

    value = distance(slice(None))
    # Parts at random: those of neighbours, or of every tenth, may be whole classes.
    parts = np.random.default_rng(0).permutation(len(ours)) % _PARTS
    without = np.array([distance(parts != part) for part in range(_PARTS)])
    variance = (_PARTS - 1) * without.var()
    half = float(ndtri(0.975)) * variance**0.5
    low, high = max(value - half, 0.0), value + half
    return Measured(value, low, high, "", higher_is_better=None)
