"""Nearest neighbours of features, and retrieval of views, of networks trained on any task."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import LABEL
from rtickets.data.images.random_views import CVLTH, ViewsConfig
from rtickets.errors import InputError
from rtickets.evaluation.features import check_backbone
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples, Network
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured
from rtickets.tasks.accuracy import share
from rtickets.tasks.comparison import Comparison, Neighbours, Retrieval


@dataclass(frozen=True, config=STRICT)
class KnnSettings(MeasureConfig):
    """The `accuracy` of the nearest training examples' classes (Wu et al. 2018).

    Features are those before the head, near by cosine similarity, which votes are exponential in.

    Attributes:
        neighbours: number of training examples that vote; at most as many as there are.
        temperature: of the votes.
        gallery: at most so many training examples, spread evenly; None takes all.
    """

    name: Literal["knn"] = "knn"
    neighbours: Positive = 200
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.07
    gallery: Positive | None = 50_000
    needs_images = True

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over the split once more, and over the gallery."""
        return super().forward_passes(examples, validation) + examples + (self.gallery or 50_000)

    def check(self, examples: Examples) -> None:
        """Refuse examples without classes."""
        if LABEL not in examples.split.arrays:
            raise InputError(
                f"the nearest neighbours vote by classes, and examples have "
                f"{', '.join(examples.split.arrays)}; leave it out, or choose 'retrieval'"
            )

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse a network whose backbone is not told from its head."""
        check_backbone(network)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the accuracy."""
        how = Neighbours(self.neighbours, self.temperature, self.gallery)
        return _shares(asked, how, {"knn": "accuracy"})


@dataclass(frozen=True, config=STRICT)
class RetrievalSettings(MeasureConfig):
    """Whether the other random view of an image is its nearest in a group of images.

    `top1`, `top3` and `top5` of both views asking for each other (Chen et al. 2021, eq. 2).

    Attributes:
        group: images in a group.
        views: how views are made.
    """

    name: Literal["retrieval"] = "retrieval"
    group: Annotated[int, Field(ge=2)] = 128
    views: ViewsConfig = CVLTH
    needs_images = True

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over two views of the split."""
        return super().forward_passes(examples, validation) + 2 * examples

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse a network whose backbone is not told from its head."""
        check_backbone(network)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the shares."""
        how = Retrieval(self.group, seed=asked.seed, views=self.views)
        names = {"retrieval": "top1", "retrieval_top3": "top3", "retrieval_top5": "top5"}
        return _shares(asked, how, names)


def _shares(asked: Asked, how: Comparison, names: dict[str, str]) -> dict[str, Measured]:
    found = asked.compared(how)
    if not found["asked"]:
        raise InputError("there is one example, which has no others to be told from; give more")
    return {
        called: share(int(found[name]), int(found["asked"])).measured()
        for name, called in names.items()
    }
