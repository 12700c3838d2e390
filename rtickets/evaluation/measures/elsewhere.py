"""Images of another source, as a network takes those of its task."""

from dataclasses import replace
from typing import cast

from rtickets import data
from rtickets.data.arrays import IMAGE, Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import make_transform
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.evaluation.predict import Examples
from rtickets.evaluation.subject import spread
from rtickets.tasks import ImageTask, Task

NOTHING = cast(Task, ImageTask())
"""What is asked of images from elsewhere: they are brought to size, and other arrays left alone."""


def test_images(
    config: DataConfig, examples: Examples, count: int
) -> tuple[Split, Task, Transform]:
    """Return test images of a source, a task that asks nothing of them, and their transform.

    The source's size and channels become those of `examples`. At most `count` images are taken,
    spread evenly.

    Raises:
        InputError: if it cannot be loaded, or names another size itself.
    """
    height, width, channels = examples.transform.output_shape(examples.split.images.shape[1:])
    dataset, asked = data.load(config), make_transform(config)
    size, colours = asked.size or (height, width), asked.channels or channels
    transform = replace(asked, size=size, channels=colours).left_to_do(dataset)
    images = dataset.test.images
    found = transform.output_shape(images.shape[1:])
    if found != (height, width, channels):
        raise InputError(
            f"data.source={config.source!r} gives images of {found}; expected "
            f"{(height, width, channels)} as of the task: leave its size and channels out"
        )
    return Split({IMAGE: images[spread(len(images), count)]}), NOTHING, transform
