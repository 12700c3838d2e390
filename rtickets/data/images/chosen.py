"""The transform that a configuration asks for, with the defaults of its source."""

from typing import TypeVar

from rtickets.data.images.augment import Transform
from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import get_source
from rtickets.data.sources.source import Augmentation
from rtickets.errors import InputError

_T = TypeVar("_T")


def make_transform(config: DataConfig) -> Transform:
    """Return the transform of a task, the source's defaults filled in.

    A task that makes random views of its own gets images as they are evaluated to make them of.
    """
    source = get_source(config.source)
    ours, task = source.augmentation, config.task or source.task
    if task is not None and task.makes_views:
        _check_unchanged(config, task.name)
        ours = Augmentation(image_size=ours.image_size, centre_crop=ours.centre_crop)
    size = _chosen(config.image_size, ours.image_size)
    random_crop = config.random_resized_crop
    if random_crop is None:
        other = config.crop_padding or config.random_scale
        random_crop = ours.random_resized_crop and not other
    cut = random_crop or config.random_scale
    return Transform(
        size=(size, size) if isinstance(size, int) else size,
        channels=config.channels,
        crop_padding=0 if cut else _chosen(config.crop_padding, ours.crop_padding),
        flip=_chosen(config.flip, ours.flip),
        resize=_chosen(config.resize, _centred(size) if ours.centre_crop else 0),
        method=config.interpolation,
        random_crop=config.crop_scale if random_crop else None,
        random_scale=config.random_scale,
        jitter=_chosen(config.color_jitter, ours.color_jitter),
        lighting=_chosen(config.lighting, ours.lighting),
    )


def _centred(size: int | tuple[int, int] | None) -> int:
    """Return what short sides are scaled to before a square is cut out, 0 for no square."""
    return round(size * 8 / 7) if isinstance(size, int) else 0


def _check_unchanged(config: DataConfig, task: str) -> None:
    names = (
        "random_resized_crop",
        "random_scale",
        "crop_padding",
        "flip",
        "color_jitter",
        "lighting",
    )
    if given := [name for name in names if getattr(config, name)]:
        raise InputError(
            f"data.{given[0]}={getattr(config, given[0])} changes training images, and the task "
            f"{task!r} makes random views of its own; leave it out, and set data.task.views"
        )


def check_resize(config: DataConfig) -> None:
    """Raise InputError for a task that scales images without saying how large they become."""
    if config.resize and make_transform(config).size is None:
        raise InputError(
            f"data.resize={config.resize} scales images before data.image_size is cut out of "
            "them; set data.image_size as well"
        )


def _chosen(own: _T | None, default: _T) -> _T:
    return default if own is None else own
