"""What a data source is.

Whatever reads one names the file in the `InputError` that it raises for a missing, damaged or
hostile file: data comes from anybody, and damage surfaces as whatever a decoder trips over.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.data.arrays import Metric, Raw
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.skeletons import Skeleton
from rtickets.data.task_settings import TaskConfig


class Augmentation(NamedTuple):
    """What `DataConfig` leaves open; fields as there.

    Attributes:
        centre_crop: `resize` is 8/7 of the image size (256 for 224), else 0.
    """

    crop_padding: int = 0
    flip: bool = False
    image_size: int | tuple[int, int] | None = None
    centre_crop: bool = False
    random_resized_crop: bool = False
    color_jitter: float = 0.0
    lighting: float = 0.0


class Facts(NamedTuple):
    """What is known about a set without reading it.

    Attributes:
        train: number of training images.
        test: number of test images, None where they are split off the training images.
        classes: number of classes, 0 where images have none.
        shape: (H, W, C) of a stored image, or None where they have many sizes.
        validation: number of images of its own validation split, None where there is none.
        streamed: images of that shape stay on disk, unless `data.stream` is False.
        composed: images are made at `data.image_size` where that is given, not at that shape.
        skeleton: what their keypoints are, where they have some.
        ground: masks have a ground beside the classes.
    """

    train: int
    test: int | None
    classes: int
    shape: tuple[int, int, int] | None
    validation: int | None = None
    streamed: bool = False
    composed: bool = False
    skeleton: Skeleton | None = None
    ground: bool = True

    @property
    def about(self) -> dict[str, Any]:
        """What is known of what a head for the set is for, see `rtickets.tasks.base`."""
        names = [str(number) for number in range(self.classes)]
        return {"class_names": names, **({} if self.ground else {"ground": False})}

    def shape_of(self, config: DataConfig) -> tuple[int, int, int] | None:
        """Return the (H, W, C) that images are stored with as they are asked for."""
        size = config.image_size
        if self.shape is None or not self.composed or size is None:
            return self.shape
        height, width = (size, size) if isinstance(size, int) else size
        return (height, width, self.shape[2])

    def in_memory(self, config: DataConfig) -> bool:
        """Return whether images are read before a run begins."""
        return config.stream is False or (self.shape is not None and not self.streamed)


class Source(NamedTuple):
    """A data set that can be loaded by name.

    What `load` returns is checked and split as the task of the set asks. Its examples are images
    and what else the task's batches hold; of classified images, `labelled(images, labels)` and the
    names of the classes.

    Attributes:
        load: reads it; images that it leaves encoded on disk are looked at through the view.
        description: one line for `rtickets data list`.
        needs: what must be installed or given, or '' if it comes with the package.
        augmentation: what `DataConfig` leaves open.
        metric: what accuracies on it are, of images that are classified.
        facts: what is known about it without reading it.
        files: returns the file or folder that identifies it, or several of them, None where no
            path is given; None for a set that comes with a package.
        task: what its examples ask; None is to classify them, by `metric`. It may be what loading
            asks of a task that is registered under its name.
        text: whether it reads texts, by `DataConfig.text`.
        within: the folder in `data.path` that has all of it, '' for the whole path.
    """

    load: Callable[[DataConfig, View], Raw]
    description: str
    needs: str
    augmentation: Augmentation = Augmentation()
    metric: Metric = "accuracy"
    facts: Facts | None = None
    files: Callable[[DataConfig], Path | tuple[Path, ...] | None] | None = None
    task: TaskConfig | None = None
    text: bool = False
    within: str = ""
