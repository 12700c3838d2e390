"""The size of a network, told by the shapes of its tensors, and its classes."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.importers import account
from rtickets.importers.opened import Opened
from rtickets.importers.options import Options
from rtickets.models import Model
from rtickets.models.settings import Arch, ModelConfig
from rtickets.settings import config_files

_IMAGENET = 1000


class Sizes(NamedTuple):
    """What the shapes of a network's tensors tell.

    Attributes:
        config: the network.
        classes: width of the head, None without one.
        features: that reach the head.
        channels: of its images.
    """

    config: ModelConfig
    classes: int | None
    features: int
    channels: int


def sizes_of(arch: Arch, published: Model, opened: Opened, options: Options) -> Sizes:
    """Return what the shapes of a file's tensors tell.

    Args:
        published: the network of ours in its published size, whose widths its own are measured by.
    """
    stem = _shape(opened, "stem_conv", 4)
    path = "stage1_block1/conv1" if isinstance(published, models.WideResNet) else "stem_conv"
    shapes = masks.leaf_paths(account.template(published, stem[1])["params"])
    width = _shape(opened, path, 4)[0] / shapes[f"{path}/kernel"].shape[-1]
    small = isinstance(published, models.WideResNet | models.PreActResNet)
    small = small or (isinstance(published, models.ResNet) and stem[2] == 3)
    values = {
        "arch": arch, "width": width, "stem": "small" if small else "imagenet",
        "variant": _variant(arch, opened, options), "activation": options.activation,
    }  # fmt: skip
    config = config_files.parse(ModelConfig, values)
    head = account.has_head(opened.tensors, opened.layout)
    own = models.from_config(config, 1)
    features = account.template(own, stem[1])["params"]["head"]["kernel"].shape[0]
    return Sizes(config, _shape(opened, "head", 2)[0] if head else None, features, stem[1])


def _variant(arch: str, opened: Opened, options: Options) -> Any:
    """Return the variant that was asked for, or that the file tells."""
    told = opened.variant if arch != "resnet50_thin" else None  # it strides as Caffe's do anyway
    if options.variant is not None:
        if told not in (None, options.variant):
            raise InputError(f"--variant={options.variant}: the file is of the variant {told}")
        return options.variant
    if told is None and arch.startswith("preact"):
        final = f"{opened.layout.layer('final_norm')}.weight"
        return None if final in opened.tensors else "wong"
    return told


def _shape(opened: Opened, layer: str, rank: int) -> tuple[int, ...]:
    name = f"{opened.layout.layer(layer)}.weight"
    if name not in opened.tensors:
        names = ", ".join(list(opened.tensors)[:3])
        raise InputError(
            f"{name} is missing, its {len(opened.tensors)} tensors are named {names}, ..."
        )
    shape = tuple(opened.tensors[name].shape)
    if len(shape) != rank or 0 in shape:
        raise InputError(f"{name} has shape {shape}, expected {rank} axes")
    return shape


def class_names_of(
    count: int | None, given: Sequence[str] | None, said: Mapping[str, Any]
) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes, and where they come from; no names without a head.

    Args:
        count: number of classes, None without a head.
        given: names that somebody gives, or None.
        said: what a config.json beside the file says.

    Raises:
        InputError: if the given names are not as many as there are classes.
    """
    if count is None:
        if given is not None:
            raise InputError("--classes: the file holds no head, so there are no classes to name")
        return (), "none: there is no head"
    if given is not None:
        if len(given) != count:
            raise InputError(f"has {count} classes, --classes names {len(given)}")
        return tuple(given), "--classes"
    names = said.get("label_names")
    if isinstance(names, list) and len({str(name) for name in names}) == count == len(names):
        return tuple(str(name) for name in names), "config.json"
    if count == _IMAGENET:
        text = resources.files("rtickets.importers").joinpath("files/imagenet_wnids.txt")
        return tuple(text.read_text().split()), "assumed: 1,000 classes are ImageNet's, in order"
    return unnamed(count), "none: the file does not name them"


def unnamed(count: int) -> tuple[str, ...]:
    """Return what classes without names are called."""
    return tuple(f"class_{index}" for index in range(count))
