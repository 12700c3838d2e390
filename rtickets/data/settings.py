"""Settings of data: a set, how it is split, how its images are changed."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass

from rtickets.data.task_settings import TaskConfig
from rtickets.data.text.settings import TextConfig
from rtickets.settings.kinds import STRICT, Fraction, NotNegative, Positive
from rtickets.storage.addresses import absolute

NotNegativeInt = Annotated[int, Field(ge=0)]


PartOfOne = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=100)]


def _absolute(path: str) -> str:
    """Return a path that means the same from every folder."""
    if not path:
        raise ValueError("the path is empty; give one, or None for none")
    return absolute(path)


def _image_size(size: Any) -> Any:
    """Return one number for two that are equal, so that there is one way to say a square."""
    sides = list(size) if isinstance(size, tuple | list) else [size, size]
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise ValueError("expected a number of pixels, 1 or more, or (height, width)")
    return sides[0] if sides[0] == sides[1] else tuple(sides)


ImageSize = Annotated[int | tuple[int, int], BeforeValidator(_image_size)]


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """A data set, how it is split, and how its images reach the network.

    Attributes:
        source: a name that `rtickets data list` shows.
        path: folder or file of the sources that are read from one, made absolute, or its address in
            a bucket, s3://BUCKET/PATH or gs://..., from where it is fetched once.
        image_size: height and width that images are brought to, one number or (height, width); None
            is the source's default, which for images of one small size is theirs.
        channels: 1 or 3 to convert to grey or colour; None keeps the stored channels.
        train_examples: size of a class-balanced random subset of the training split, drawn with the
            run's seed; None keeps all. Validation images are those of the whole split all the same.
        train_fraction: part of the source's training examples that is used at all, where data are
            limited: validation examples are carved from it too. None takes all.
        train_per_class: likewise a number of examples of every class.
        train_choice: which they are: 'random', balanced over classes and drawn with the run's seed,
            or a 'prefix', the first in the order of the file (of every class, of train_per_class).
        validation_fraction: part of the training images set aside for validation.
        test_fraction: part set aside for testing where the source has no test split of its own.
        crop_padding: zero padding before a random crop. This and the next fields are the source's
            default where they are None.
        flip: random horizontal flips.
        random_resized_crop: in training, stretch a random part of the image to `image_size`.
        crop_scale: smallest and largest part of the area that such a crop takes.
        random_scale: smallest and largest factor, such as (0.5, 2), that training images are scaled
            by at random, before `image_size` is cut out at a random place; what lies outside the
            image is black, and counts nowhere. None does not; it takes the place of the other
            crops.
        resize: outside training, or without random resized crops, scale the short side to this
            before a centre crop of `image_size`; 0 stretches the image.
        interpolation: the filter of all resizing, always with antialiasing.
        color_jitter: brightness, contrast and saturation change by a factor of up to 1 +- this.
        lighting: strength of a random colour along the principal components of ImageNet's.
        stream: leave images encoded on disk and decode them for every batch; None does so for
            photographs, False decodes all into memory first.
        workers: threads that decode; None is one per core, at most 16.
        task: what the network is asked to do with the examples, see `rtickets.tasks`; None is what
            the source says, which for those of the package is to classify them.
        text: how texts become tokens, of sources of texts; None is the usual way.
    """

    source: str = "fashion_mini"
    path: Annotated[str, AfterValidator(_absolute)] | None = None
    image_size: ImageSize | None = None
    channels: Literal[1, 3] | None = None
    train_examples: Positive | None = None
    train_fraction: PartOfOne | None = None
    train_per_class: Positive | None = None
    train_choice: Literal["random", "prefix"] = "random"
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.2
    crop_padding: NotNegativeInt | None = None
    flip: bool | None = None
    random_resized_crop: bool | None = None
    crop_scale: tuple[PartOfOne, PartOfOne] = (0.08, 1.0)
    random_scale: tuple[Factor, Factor] | None = None
    resize: NotNegativeInt | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    color_jitter: Annotated[float, Field(ge=0, lt=1)] | None = None
    lighting: NotNegative | None = None
    stream: bool | None = None
    workers: Positive | None = None
    task: TaskConfig | None = None
    text: TextConfig | None = None

    @model_serializer(mode="wrap")
    def _without_the_usual_task(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `task` and `text` where there are none, as in tickets of before they were."""
        values: dict[str, Any] = dump(self)
        for name in ("task", "text"):
            if values.get(name, self) is None:
                del values[name]
        return values

    def _check_scale(self, smallest: float, largest: float) -> None:
        if smallest > largest:
            raise ValueError(f"random_scale={self.random_scale} is not (smallest, largest)")
        if others := [n for n in ("random_resized_crop", "crop_padding") if getattr(self, n)]:
            raise ValueError(
                f"random_scale takes the place of {' and '.join(others)}; leave one of them out"
            )

    @property
    def limit(self) -> str:
        """Which part of the training examples is used, in words; '' where that is all."""
        if self.train_fraction is not None:
            part = f"{self.train_fraction:.6%}".rstrip("%").rstrip("0").rstrip(".")
            much = f"{part}% of the training examples"
        elif self.train_per_class is not None:
            much = f"{self.train_per_class} training examples of every class"
        else:
            return ""
        if self.train_choice == "prefix":
            return f"{much}, the first of the file"
        return f"{much}, balanced over classes, drawn with the run's seed"

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.random_resized_crop and self.crop_padding:
            raise ValueError("random_resized_crop takes the place of crop_padding; set one to 0")
        if self.random_scale is not None:
            self._check_scale(*self.random_scale)
        limits = ("train_examples", "train_fraction", "train_per_class")
        given = [name for name in limits if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both limit the training examples; set one")
        if self.train_choice == "prefix" and given in ([], ["train_examples"]):
            raise ValueError(
                "train_choice='prefix' says which examples train_fraction or train_per_class are; "
                "set one of these"
            )
        if self.crop_scale[0] > self.crop_scale[1]:
            raise ValueError(f"crop_scale={self.crop_scale} is not (smallest, largest)")
        if self.resize and isinstance(self.image_size, tuple):
            raise ValueError(
                f"resize={self.resize} scales the short side before a square is cut out, and "
                f"image_size={self.image_size} is none; set resize=0 to stretch images"
            )
        if self.resize and isinstance(self.image_size, int) and self.resize < self.image_size:
            raise ValueError(
                f"resize={self.resize} leaves no centre crop of image_size={self.image_size}"
            )
        return self
