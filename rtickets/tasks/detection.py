"""Detection of objects in images: a box around each, and its class."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset, Raw
from rtickets.data.images.augment import Transform
from rtickets.models.heads.fcos import Fcos
from rtickets.settings.kinds import STRICT, Fraction, NotNegative, Positive
from rtickets.tasks.average_precision import measured_precision
from rtickets.tasks.base import LISTED, Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.box_checks import BOXES, CLASSES, CROWD, check_boxes
from rtickets.tasks.box_matches import Boxes, check_installed, judged_boxes
from rtickets.tasks.boxes import giou, iou
from rtickets.tasks.found_boxes import Choice, Found, found_boxes
from rtickets.tasks.images import ImageTask
from rtickets.tasks.painting import MISSED, RIGHT, WRONG, class_colours, outlined
from rtickets.tasks.places import Places, Targets, assigned, boxes_at, places_of
from rtickets.tasks.ratios import ratio_sums, share_of
from rtickets.tasks.units import SHARE

_ALPHA, _GAMMA = 0.25, 2.0  # of the focal loss (Lin et al. 2017)
_TINY = 1e-6  # keeps the weights of no places finite
_SHOWN = 0.3  # score from which on pictures show a box


@dataclass(frozen=True, config=STRICT)
class Detection(ImageTask):
    """The network answers, at every place of several levels, what lies around it: FCOS.

    Batches hold `image`, `boxes` float32 (B, N, 4) in pixels (top, left, bottom, right), `classes`
    int32 (B, N), -1 in rows without a box, and where there is one, `crowd` bool (B, N): boxes on
    objects that need not be found, as many at once or difficult ones. A box that has left the image
    is empty, and not there either.

    Attributes:
        channels: features of the head, 256 as published; this and the next see `Fcos`.
        depth: convolutions of the head's towers.
        levels: those of the backbone that are looked at.
        coarser: how many coarser ones follow.
        candidates: boxes of an image that are compared with each other, as `Choice`.
        kept: boxes of an image that are answered at most.
        least: score of an answer at least.
        overlap: IoU from which on an answer repeats a better one.
    """

    answers: ClassVar[str] = "classes"
    paints: ClassVar[bool] = True
    parts_have_classes: ClassVar[bool] = True
    headline: ClassVar[Any] = Headline("ap", SHARE, words="AP")
    beside_head: ClassVar[frozenset[str]] = frozenset({"candidates", "kept", "least", "overlap"})
    name: Literal["detection"] = "detection"
    channels: Positive = 256
    depth: Annotated[int, Field(ge=0)] = 4
    levels: tuple[str, ...] = Field(default=("stage2", "stage3", "stage4"), min_length=1)
    coarser: Annotated[int, Field(ge=0)] = 2
    candidates: Positive = 1000
    kept: Positive = 100
    least: NotNegative = 0.05
    overlap: Fraction = 0.6

    @property
    def head(self) -> Fcos:
        """The head of FCOS."""
        return Fcos(self.channels, self.depth, self.levels, self.coarser)

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check the boxes of all splits, and return which classes have none to learn from."""
        check_installed()
        return check_boxes(raw, self.input, name)

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"class_names": list(dataset.class_names)}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of classes."""
        return len(about["class_names"])

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return images and boxes resized alike."""
        moved = transform.prepare_boxes(raw[BOXES], raw[self.input].shape[1:], raw.get(CROWD))
        return {**super().prepare(transform, raw), BOXES: moved}

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return images and boxes moved alike."""
        moved = transform.training_boxes(
            keys, raw[BOXES], raw[self.input].shape[1:], raw.get(CROWD)
        )
        return {**super().augment(transform, keys, raw), BOXES: moved}

    def loss(self, outputs: Any, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the losses of an image's places, over the mean number of places that see objects.

        They are the focal loss of the classes, one minus the generalised IoU of the boxes, weighted
        by how near the middle a place lies, and the cross-entropy of that (Tian et al. 2019).
        Weights have a mean of 1 over the places of an image, and not of the whole batch, so that
        other images change the loss of one by a factor alone, and nothing of an attack on it.
        """
        answers, places, targets = self._asked(outputs, batch)
        seeing, near = targets.seeing, targets.centre
        count = seeing.sum(-1)
        seen = reduce({"places": count.sum(dtype=jnp.float32), "images": jnp.float32(len(answers))})
        right = jax.nn.one_hot(targets.classes, answers.shape[-1] - 5)
        of_class = optax.sigmoid_focal_loss(
            answers[..., :-5], right, alpha=_ALPHA, gamma=_GAMMA
        ).sum(-1)
        overlap = giou(boxes_at(places, answers[..., -5:-1]), targets.boxes)
        weights = near * (count / jnp.maximum(near.sum(-1), _TINY))[:, None]
        of_centre = optax.sigmoid_binary_cross_entropy(answers[..., -1], near)
        losses = jnp.where(targets.counted, of_class, 0)
        losses += jnp.where(seeing, weights * (1 - overlap) + of_centre, 0)
        return losses.sum(-1) * (seen["images"] / jnp.maximum(seen["places"], 1))

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return how well places that see an object answer its class and its box."""
        answers, places, targets = self._asked(outputs, batch)
        seeing = targets.seeing
        right = answers[..., :-5].argmax(-1) == targets.classes
        overlap = iou(boxes_at(places, answers[..., -5:-1]), targets.boxes)
        counted = {"place_accuracy": right, "place_iou": overlap}
        return {
            name: ratio_sums(jnp.where(seeing, each, 0).sum(1), seeing.sum(1))
            for name, each in counted.items()
        }

    def listed(self, outputs: Any, batch: Batch) -> dict[str, Array]:
        """Return the boxes of every image, and the best that were found."""
        found = self.found(outputs, batch)
        return dict(zip(Boxes._fields, (*_true(batch), *found), strict=True))

    def found(self, outputs: Any, batch: Batch) -> Found:
        """Return the boxes that are answered."""
        size = batch[self.input].shape[1:3]
        answers, places = _places(outputs, size)
        choice = Choice(self.candidates, self.kept, self.least, self.overlap)
        return found_boxes(answers, places, size, choice)

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return average precision, and how good single places that see an object are."""
        found = {}
        if LISTED in sums:
            found = measured_precision(_boxes(sums)).means
        shares = {name: share_of(sums[name]) for name in ("place_accuracy", "place_iou")}
        return {**found, **{name: each for name, each in shares.items() if each is not None}}

    def class_measures(self, sums: Mapping[str, Any]) -> dict[int, Measured]:
        """Return COCO's AP of every class that has a box."""
        return measured_precision(_boxes(sums)).of_classes

    def painted(self, outputs: Any, batch: Batch) -> dict[str, Any]:
        """Return the images, and on them the boxes that are right and those that are answered."""
        images, count = np.asarray(batch[self.input]), outputs[0].shape[-1] - 5
        each = self._sure(outputs, batch)
        return {
            "image": images,
            "truth": outlined(images, each.boxes, each.classes, class_colours(count)),
            "answer": outlined(images, each.found, each.named, class_colours(count)),
        }

    def painted_classes(self, outputs: Any, batch: Batch, most: int) -> dict[int, Any]:
        """Return which boxes of a class are found and right, which missed and which wrong."""
        images, each = np.asarray(batch[self.input]), self._sure(outputs, batch)
        rows = {}
        for k in range(outputs[0].shape[-1] - 5):
            numbers = ((each.classes == k) & ~each.crowd).sum(1)
            shown = np.argsort(-numbers, kind="stable")[: min(most, int((numbers > 0).sum()))]
            if len(shown):
                own = Boxes(*(array[shown] for array in each))
                judged = judged_boxes(own, k)
                rows[k] = outlined(images[shown], *judged, np.array([RIGHT, WRONG, MISSED]))
        return rows

    def _sure(self, outputs: Any, batch: Batch) -> Boxes:
        """Return the boxes of images and those that are answered with a score worth showing."""
        each = Boxes(**{k: np.asarray(one) for k, one in self.listed(outputs, batch).items()})
        return each._replace(named=np.where(each.scores >= _SHOWN, each.named, -1))

    def _asked(self, outputs: Any, batch: Batch) -> tuple[Array, Places, Targets]:
        """Return the answers (B, P, C + 5) of all places, the places, and what is right."""
        answers, places = _places(outputs, batch[self.input].shape[1:3])
        return answers, places, assigned(places, *_true(batch))


def _boxes(sums: Mapping[str, Any]) -> Boxes:
    """Return what is listed of all examples."""
    return Boxes(**{name: np.asarray(each) for name, each in sums[LISTED].items()})


def _true(batch: Batch) -> tuple[Array, Array, Array]:
    """Return boxes, classes, -1 also where a box has left the image, and which are of crowds."""
    boxes = jnp.asarray(batch[BOXES])
    there = (boxes[..., 2:] > boxes[..., :2]).all(-1)
    classes = jnp.where(there, jnp.asarray(batch[CLASSES]), -1).astype(jnp.int32)
    crowd = jnp.asarray(batch[CROWD]) if CROWD in batch else jnp.zeros(classes.shape, bool)
    return boxes, classes, crowd


def _places(outputs: Any, size: tuple[int, ...]) -> tuple[Array, Places]:
    """Return the answers of all places one after the other, and the places."""
    height, width = size
    places = places_of([level.shape[1:3] for level in outputs], (height, width))
    flat = [level.reshape(len(level), -1, level.shape[-1]) for level in outputs]
    return jnp.concatenate(flat, 1), places
