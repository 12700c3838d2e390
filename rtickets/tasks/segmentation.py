"""Segmentation of images: the class of every pixel."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset, Raw
from rtickets.data.checks import some
from rtickets.data.images.augment import Transform
from rtickets.data.images.canvas import OnCanvas, extents_of
from rtickets.errors import InputError
from rtickets.models.heads.deeplab import DeepLab, resized
from rtickets.models.heads.places import Places
from rtickets.models.inputs import Input, Inputs
from rtickets.models.windows import Windows
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks.base import Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.confusion import COUNTS, confusion_sums, overlap
from rtickets.tasks.images import ImageTask
from rtickets.tasks.painting import compared, overlaid

MASK, GROUND = "mask", "ground"
_AT_ONCE = 8  # images whose pixels are looked at side by side, of pictures


@dataclass(frozen=True, config=STRICT)
class Segmentation(ImageTask):
    """The network answers logits of classes for every place; batches hold `image` and `mask`.

    Masks are integers (B, H, W): 0 is the ground, class c of the source is c + 1; of a source
    without a ground class c is c. Answers are compared with masks at the resolution of the masks.

    Attributes:
        decoder: the head: that of DeepLabv3+ (Chen et al. 2018), whose places are those of the
            backbone's fine level, or 'none', a 1x1 convolution of the backbone's last level as it
            is, for backbones such as supernets, whose last level is fine. The next three fields are
            of the former.
        output_stride: pixels between two places of the backbone's last level.
        channels: features of the head, 256 as published.
        fine: the backbone's level that brings the edges, and has the places of the answers.
        ignored: the value in masks of pixels that do not count.
        evaluation: images are evaluated 'resized', at the size that they are trained at; 'whole',
            at the size that they are stored with; or 'sliding', so too, but through windows of the
            size that they are trained at, whose answers are averaged where they overlap, by a
            third.
    """

    answers: ClassVar[str] = "classes"
    paints: ClassVar[bool] = True
    parts_have_classes: ClassVar[bool] = True
    weights_answers: ClassVar[bool] = True
    headline: ClassVar[Any] = Headline("miou", "share", words="mean IoU")
    name: Literal["segmentation"] = "segmentation"
    decoder: Literal["deeplab", "none"] = "deeplab"
    output_stride: Literal[4, 8, 16, 32] = 16
    channels: Positive = 256
    fine: str = "stage1"
    ignored: int = Field(default=255, ge=0, le=2**31 - 1)
    evaluation: Literal["resized", "whole", "sliding"] = "resized"

    @property
    def beside_head(self) -> frozenset[str]:  # type: ignore[override]
        """Without a decoder its settings are of none."""
        unused = {"output_stride", "channels", "fine"} if self.decoder == "none" else set()
        return frozenset({"ignored", "evaluation", *unused})

    @property
    def head(self) -> DeepLab | Places:
        """The head of DeepLabv3+, or a convolution."""
        if self.decoder == "none":
            return Places()
        return DeepLab(self.channels, self.output_stride, self.fine)

    @property
    def backbone_stride(self) -> int | None:
        """The one that the head stands on."""
        return None if self.decoder == "none" else self.output_stride

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check the masks of all splits, and return which classes have no pixel to learn from."""
        parts = {"train": raw.train, "val": raw.validation, "test": raw.test}
        for part, split in parts.items():
            if split is not None:
                self._check_masks(split.arrays, raw, f"{name}: {part}")
        masks = raw.train.arrays[MASK]
        if not isinstance(masks, np.ndarray):
            return ()
        there = set(np.unique(masks).tolist())
        counted = enumerate(raw.class_names, int(raw.ground))
        unused = [one for number, one in counted if number not in there]
        return (f"classes without a training pixel: {some(unused)}",) if unused else ()

    def _check_masks(self, arrays: Mapping[str, Any], raw: Raw, name: str) -> None:
        classes = len(raw.class_names)
        if MASK not in arrays or not classes:
            raise InputError(
                f"{name}: its examples are {', '.join(arrays)}, of {classes} named classes; to "
                f"segment images they need {MASK!r} and a name per class"
            )
        masks, images = arrays[MASK], arrays[self.input]
        if masks.shape != images.shape[:3] or np.dtype(masks.dtype).kind not in "iu":
            raise InputError(
                f"{name}: masks are {masks.dtype} {masks.shape}, images {images.shape}; expected "
                f"integers {images.shape[:3]}"
            )
        self._check_ignored(masks, name)
        if not isinstance(masks, np.ndarray):
            return  # streamed ones are read when they are needed
        found, last = np.unique(masks), classes - 1 + int(raw.ground)
        expected = f"{'0 for the ground, 1' if raw.ground else '0'} to {last} for its classes"
        if not (found != self.ignored).any():
            raise InputError(
                f"{name}: all pixels of its masks are {self.ignored}, which does not count; "
                f"expected {expected}"
            )
        odd = found[(found != self.ignored) & ((found < 0) | (found > last))]
        if odd.size:
            raise InputError(
                f"{name}: masks have the value {odd[0]}; expected {expected}, or {self.ignored} "
                "for pixels that do not count"
            )

    def _check_ignored(self, masks: Any, name: str) -> None:
        """Refuse a value of pixels that do not count that masks do not have, or cannot."""
        most = int(np.iinfo(masks.dtype).max)
        if self.ignored > most:
            raise InputError(
                f"{name}: masks are {masks.dtype}, which cannot hold task.ignored={self.ignored}; "
                f"expected 0 to {most}, set it to one that is no class, or store masks as int32"
            )
        if isinstance(masks, OnCanvas) and masks.fill != self.ignored:
            raise InputError(
                f"{name}: pixels of its masks that do not count are {masks.fill}, and so is what "
                f"lies outside of its images, but task.ignored={self.ignored}; set "
                f"task.ignored={masks.fill}"
            )

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the names of the classes besides the ground, and whether there is none."""
        without = {} if dataset.ground else {GROUND: False}
        return {"class_names": list(dataset.class_names), **without}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of classes, with the ground if there is one."""
        return int(about.get(GROUND, True)) + len(about["class_names"])

    def evaluated_on(self, transform: Transform, stored: Mapping[str, Input]) -> tuple[Inputs, int]:
        """Return the image at the size that it is evaluated at, or a window and their number."""
        if self.evaluation == "resized":
            return super().evaluated_on(transform, stored)
        image, *others = self.input_spec(transform.as_stored, stored)
        windows = self.evaluated(None, transform)
        if windows is None:
            return (image, *others), 1
        size, number = windows.cut(image.shape[:2])
        return (image._replace(shape=(*size, *image.shape[2:])), *others), number

    def evaluated(self, model: Any, transform: Transform) -> Any:
        """Return the network, or its windows."""
        if self.evaluation != "sliding":
            return model
        if transform.size is None:
            raise InputError(
                "task.evaluation='sliding' looks through windows of data.image_size, which is not "
                "given; set it, or task.evaluation='whole'"
            )
        return Windows(model, transform.size)

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return images and masks resized alike, or as they are stored."""
        if self.evaluation != "resized":
            transform = transform.as_stored
        return {**super().prepare(transform, raw), MASK: transform.prepare_map(raw[MASK])}

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return images and masks moved alike; what lies outside an image does not count."""
        image, mask = raw[self.input], raw[MASK]
        extents = extents_of(mask != self.ignored)
        return {
            **raw,
            self.input: transform.training_input(keys, image, extents),
            MASK: transform.training_map(keys, mask, self.ignored, extents),
        }

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the mean cross-entropy of an image's pixels, 0 where none of them counts."""
        del reduce
        losses, counted = self.pixel_losses(outputs, batch)
        return losses.sum((1, 2)) / jnp.maximum(counted.sum((1, 2)), 1)

    def pixel_losses(self, outputs: Array, batch: Batch) -> tuple[Array, Array]:
        """Return the cross-entropy of pixels (B, H, W), 0 where one does not count; which do."""
        true = batch[MASK].astype(jnp.int32)
        counted = true != self.ignored
        logits = resized(outputs, true.shape[1:])
        of = jnp.where(counted, true, 0)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, of)
        return jnp.where(counted, losses, 0), counted

    def ascent(self, outputs: Array, batch: Batch, progress: Any) -> Array:
        """Return the loss of SegPGD (Gu et al. 2022, algorithm 1 and eq. 5).

        Right pixels have the weight 1 - progress / 2 and wrong ones progress / 2.
        """
        losses, counted = self.pixel_losses(outputs, batch)
        wrong = self.predicted(outputs, losses.shape[1:]) != batch[MASK]
        late = jnp.broadcast_to(jnp.asarray(progress, jnp.float32) / 2, len(losses))
        weight = jnp.where(wrong, late[:, None, None], 1 - late[:, None, None])
        return (weight * losses).sum((1, 2)) / jnp.maximum(counted.sum((1, 2)), 1)

    def harm(self, outputs: Array, batch: Batch) -> Array:
        """Return the share of an image's pixels that are wrong, of those that count."""
        true = batch[MASK]
        counted = true != self.ignored
        wrong = counted & (self.predicted(outputs, true.shape[1:]) != true)
        return wrong.sum((1, 2)) / jnp.maximum(counted.sum((1, 2)), 1)

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return counts of pixels by true and predicted class."""
        true = batch[MASK]
        predicted = self.predicted(outputs, true.shape[1:])
        return confusion_sums(predicted, true, outputs.shape[-1], self.ignored)

    def predicted(self, outputs: Array, size: tuple[int, ...]) -> Array:
        """Return the class of every pixel of an image of a size, int32 (B, H, W)."""
        return resized(outputs, size).argmax(-1).astype(jnp.int32)

    def _answered(self, outputs: Array, size: tuple[int, ...]) -> np.ndarray:
        """Return `predicted` of any number of images, a few at once: logits of pixels are large."""
        parts = range(0, len(outputs), _AT_ONCE)
        few = (self.predicted(outputs[start : start + _AT_ONCE], size) for start in parts)
        return np.concatenate([np.asarray(each) for each in few])

    def painted(self, outputs: Array, batch: Batch) -> dict[str, Any]:
        """Return the images, and on them the classes that are right and those that are answered."""
        images, true = np.asarray(batch[self.input]), np.asarray(batch[MASK])
        answered = self._answered(outputs, true.shape[1:])
        known, count = true != self.ignored, outputs.shape[-1]
        return {
            "image": images,
            "truth": overlaid(images, np.where(known, true, 0), count),
            "answer": overlaid(images, answered, count),
        }

    def painted_classes(self, outputs: Array, batch: Batch, most: int) -> dict[int, Any]:
        """Return where classes other than the ground are found, missed and answered wrongly."""
        images, true = np.asarray(batch[self.input]), np.asarray(batch[MASK])
        answered = self._answered(outputs, true.shape[1:])
        rows = {}
        for k in range(1, outputs.shape[-1]):
            areas = (true == k).sum((1, 2))
            shown = np.argsort(-areas, kind="stable")[: min(most, int((areas > 0).sum()))]
            own = true[shown]
            there, said = own == k, (answered[shown] == k) & (own != self.ignored)
            if len(shown):
                rows[k] = compared(images[shown], there, said)
        return rows

    def class_names(self, about: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the classes, the ground's, if any, before those of the data set."""
        own = super().class_names(about)
        return (GROUND, *own) if own and about.get(GROUND, True) else own

    def class_measures(self, sums: Mapping[str, Any]) -> dict[int, Measured]:
        """Return the IoU of every class that is there or answered."""
        iou = overlap(sums).iou
        return {k: iou.of(k).measured() for k in np.flatnonzero(np.isfinite(iou.value)).tolist()}

    def baseline(self, sums: Mapping[str, Any]) -> float | None:
        """Return the mean IoU of answering the commonest class everywhere; None without pixels."""
        there = np.asarray(sums[COUNTS], np.int64).sum(1)
        if not there.any():
            return None
        return float(there.max() / there.sum() / (there > 0).sum())

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return mean IoU, and accuracy over pixels and over classes."""
        found = overlap(sums)
        named = {
            "miou": found.mean_iou,
            "pixel_accuracy": found.pixel_accuracy,
            "class_accuracy": found.class_accuracy,
        }
        return {name: each.measured() for name, each in named.items()}
