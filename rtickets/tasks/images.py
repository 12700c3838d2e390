"""What tasks on images have in common."""

from collections.abc import Mapping
from typing import ClassVar

from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import IMAGE
from rtickets.data.images.augment import Transform
from rtickets.models.inputs import Input, Inputs
from rtickets.settings.kinds import STRICT
from rtickets.tasks.arrays import ArrayTask
from rtickets.tasks.base import Batch


@dataclass(frozen=True, config=STRICT)
class ImageTask(ArrayTask):
    """A task on images, see `ArrayTask`.

    What belongs to the places of an image is changed as the image is: by `prepare` and `augment` of
    a subclass, with `Transform.prepare_map` and `Transform.training_map` of the same keys.
    """

    inputs: ClassVar[tuple[str, ...]] = (IMAGE,)
    attackable: ClassVar[bool] = True

    def input_spec(self, transform: Transform, stored: Mapping[str, Input]) -> Inputs:
        """Return the image as the transform leaves it, other inputs as they are stored."""
        image, *others = super().input_spec(transform, stored)
        shape = transform.output_shape(image.shape)
        return (Input(image.name, shape), *others)

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return the images resized and scaled, the rest as it is."""
        return {**raw, self.input: transform.prepare(raw[self.input])}

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return the images changed at random, the rest as it is."""
        return {**raw, self.input: transform.training_input(keys, raw[self.input])}
