"""What contrastive tasks have in common: two random views of an image, told apart from others.

Batches of training hold two views: `image`, which an objective may change, and `OTHER`; those of
evaluation hold the image alone. Labels, where there are some, are for judging features by their
nearest neighbours, never for training.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import LABEL, Dataset, Raw
from rtickets.data.checks import CLASSES
from rtickets.data.images.augment import Transform
from rtickets.data.images.random_views import ViewsConfig
from rtickets.errors import InputError
from rtickets.models.heads.projection import Projection
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import accuracy
from rtickets.tasks.base import Batch, Headline, Measured, Sums
from rtickets.tasks.comparison import Comparison, Neighbours, Retrieval
from rtickets.tasks.images import ImageTask
from rtickets.tasks.units import SHARE

OTHER = "other"  # what batches call the second view

Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Contrastive(ImageTask):
    """A task on two views of an image; a subclass fills in `seen`, `loss` and `compared`.

    Attributes:
        views: how views are made.
        temperature: what cosine similarities are divided by in the loss.
        projection: width of what is compared, the last layer of the head.
        hidden: width of the head's other layers; None is that of the features.
        layers: linear maps of the head.
        metric: the headline, of the features before the head on examples that it was not trained
            on: 'knn' is the accuracy of the nearest training examples, for images with classes;
            'retrieval' needs no labels, see `rtickets.tasks.comparison`.
        neighbours: number of nearest training examples that vote; at most as many as there are.
        neighbour_temperature: of their votes.
        gallery: training examples that neighbours are looked for among, at most; None takes all.
        group: examples that a view is retrieved among.
    """

    answers: ClassVar[str] = "projections"
    makes_views: ClassVar[bool] = True
    beside_head: ClassVar[frozenset[str]] = frozenset(
        {
            "metric",
            "neighbours",
            "neighbour_temperature",
            "gallery",
            "group",
            "views",
            "temperature",
        }
    )
    views: ViewsConfig = field(default_factory=ViewsConfig)
    temperature: Temperature = 0.5
    projection: Positive = 128
    hidden: Positive | None = None
    layers: Positive = 2
    metric: Literal["knn", "retrieval"] = "knn"
    neighbours: Positive = 200
    neighbour_temperature: Temperature = 0.07
    gallery: Positive | None = 50_000
    group: Annotated[int, Field(ge=2)] = 128

    @property
    def head(self) -> Projection:
        """The projection."""
        return Projection(self.layers, self.hidden)

    @property
    def headline(self) -> Headline:
        """The metric."""
        words = "k-NN accuracy" if self.metric == "knn" else "retrieval accuracy"
        return Headline(self.metric, SHARE, words=words)

    @property
    def comparison(self) -> Comparison:
        """What the metric is made of."""
        if self.metric == "knn":
            return Neighbours(self.neighbours, self.neighbour_temperature, self.gallery)
        return Retrieval(self.group, views=self.views)

    def split(self, arrays: Mapping[str, Any]) -> np.ndarray | None:
        """Return the classes, where there are some: the split is that of classification."""
        return np.asarray(arrays[LABEL]) if LABEL in arrays else None

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check classes where there are some; the nearest neighbours need them."""
        if LABEL in raw.train.arrays and raw.class_names:
            return CLASSES.check(raw, name)
        if self.metric == "knn":
            raise InputError(
                f"{name}: its images have no classes, which data.task.metric='knn' needs; choose "
                "'retrieval'"
            )
        return ()

    def conflicts(self, train: Any) -> Iterator[str]:
        """Yield that a collapse under attack cannot be seen."""
        if hasattr(train.objective, "collapse"):
            yield (
                f"objective {train.objective.name!r} stops where validation under attack falls, "
                f"and the task {self.name!r} is validated without one; choose "
                "train.objective.name='pgd' with the attack 'fgsm_rs'"
            )

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return that a projection is for images of any kind."""
        del dataset
        return {}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the width of the projection."""
        del about
        return self.projection

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return two views of every image."""
        both = jax.vmap(jax.random.split)(keys)
        one, other = (transform.views(both[:, i], raw[self.input], self.views) for i in (0, 1))
        return {**raw, self.input: one, OTHER: other}

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return the cosine similarity of the two views, where there are two, and the examples."""
        found: Sums = {"examples": jnp.int32(len(batch[self.input]))}
        if OTHER in batch:
            one, other = (unit(each) for each in self.compared(outputs, batch))
            found["alignment"] = (one * other).sum()
        return found

    def compared(self, outputs: Any, batch: Batch) -> tuple[Array, Array]:
        """Return the projections of the two views, (b, D) each."""
        raise NotImplementedError

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return what there is: of training the alignment of views, else the metric."""
        found = {}
        if "alignment" in sums:
            mean = float(sums["alignment"]) / int(sums["examples"])
            found["alignment"] = Measured(mean, mean, mean)
        if "asked" in sums:
            for name in (each for each in sums if each == "knn" or each.startswith("retrieval")):
                share = accuracy.share(int(sums[name]), int(sums["asked"]))
                found[name] = share.measured()
        return found

    @model_validator(mode="after")
    def _check(self) -> "Contrastive":
        if self.hidden is not None and self.layers == 1:
            raise ValueError(
                f"hidden={self.hidden} is of layers that layers=1 has not; leave it out"
            )
        return self


def unit(x: Array) -> Array:
    """Return vectors (..., D) at length 1, shorter where they are almost zero, in float32."""
    x = x.astype(jnp.float32)
    return x / jnp.sqrt(jnp.maximum((x * x).sum(-1, keepdims=True), 1e-12))


def two_views(name: str, batch: Batch) -> None:
    """Refuse a loss of batches without a second view."""
    if OTHER not in batch:
        raise InputError(
            f"the loss of the task {name!r} compares two random views of an image, which are made "
            "in training and for the scores of draws; leave attacks out of evaluations"
        )
