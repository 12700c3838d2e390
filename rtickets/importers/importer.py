"""Other projects' networks as tickets: weights, statistics and where all of it came from."""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from rtickets import config_files, masks, models, provenance
from rtickets._version import __version__
from rtickets.config import ModelConfig
from rtickets.config.fields import Arch
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.importers import account, layouts, parity
from rtickets.importers.account import Fitted
from rtickets.importers.opened import Opened, open_checkpoint
from rtickets.importers.parity import Reference
from rtickets.metrics import write_json
from rtickets.models import Model
from rtickets.short_repr import with_short_repr

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class Options(NamedTuple):
    """What a file may not say.

    Attributes:
        key: where in the file the state dict lies; None finds it.
        statistics: mean and standard deviation of pixels in [0, 1], per channel in the order red,
            green, blue; None takes what the file states, else what its layout usually has.
        bgr: the network takes blue first; its first convolution is turned round.
        image_size: height and width of its images; None is 224, or 32 for a small stem.
        class_names: its classes; None is ImageNet's for 1,000 of them, else class_0, class_1, ...
        reference: what the original computes, to be compared with.
    """

    key: str | None = None
    statistics: Statistics | None = None
    bgr: bool = False
    image_size: int | None = None
    class_names: tuple[str, ...] | None = None
    reference: Reference | None = None


@with_short_repr
class Imported(NamedTuple):
    """An imported network.

    Attributes:
        ticket: the dense network, as every stage takes it.
        report: its provenance, and where every tensor of the file went; for JSON.
    """

    ticket: Ticket
    report: dict[str, Any]


def import_checkpoint(path: str | Path, arch: str, options: Options | None = None) -> Imported:
    """Turn another project's checkpoint into a ticket that removes nothing.

    Nothing in the file is executed, and PyTorch is not needed.

    Args:
        path: a state dict of `torch.save` (alone or in a training checkpoint) or of safetensors, or
            an ONNX residual network.
        arch: name of the architecture, see `rtickets.models.build`.
        options: what the file may not say.

    Returns:
        The ticket and the report.

    Raises:
        InputError: if the file is damaged or hostile, does not fit the architecture to the last
            tensor, or does not compute what the reference does.
    """
    path = Path(path)
    if arch not in get_args(Arch):
        raise InputError(f"arch={arch!r} is unknown; choose one of {', '.join(get_args(Arch))}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return _import(path, arch, options or Options())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save(imported: Imported, folder: Path) -> None:
    """Write the ticket, and the report in its folder as import.json.

    Raises:
        InputError: if the folder exists.
    """
    imported.ticket.save(folder)
    write_json(folder / "import.json", imported.report)


def _import(path: Path, arch: Any, options: Options) -> Imported:
    published = models.build(arch, 1000)
    opened = open_checkpoint(path, published, options.key)
    try:
        config, num_classes, channels = _sizes(arch, published, opened)
        (mean, std), origin = _statistics(opened, options, channels)
        width, stem = config.width, config.stem
        model = models.build(arch, num_classes, width=width, stem=stem, mean=mean, std=std)
        fitted = account.fit(model, channels, opened.tensors, opened.layout)
    except InputError as error:
        likely = [other for other in layouts.likely(opened.tensors) if other != arch]
        hint = f"; its names are those of {' or '.join(likely)}" if likely else ""
        place = f"--arch={arch} in the layout {opened.layout.name}"
        raise InputError(f"does not fit {place}: {error}{hint}") from None
    if options.bgr:
        layer = fitted.params["stem_conv"]
        layer["kernel"] = np.ascontiguousarray(layer["kernel"][:, :, ::-1])
    size = options.image_size or opened.size or (32 if stem == "small" else 224)
    shape = (size, size, channels)
    class_names, named_by = _class_names(options, num_classes)
    reference = options.reference or _own_reference(opened, options, (mean, std), shape)
    entry = {
        "importer": f"rtickets {__version__}",
        "source": {"file": path.name, "sha256": _sha256(path), **opened.facts},
        "layout": opened.layout.name,
        "model": config_files.to_dict(config),
        "normalization": {"mean": list(mean), "std": list(std), "from": origin},
        "bgr": options.bgr,
        "class_names_from": named_by,
        **parity.report(model, fitted.params, fitted.batch_stats, shape, reference),
    }
    meta = {
        "model": entry["model"],
        "class_names": list(class_names),
        "image_shape": list(shape),
        "mean": list(mean),
        "std": list(std),
        "history": [{"stage": "import", **entry}],
    }
    mask = masks.full(fitted.params)
    ticket = Ticket(mask, fitted.params, fitted.batch_stats, meta)
    return Imported(ticket, {**entry, "tensors": _tensors(opened, fitted)})


def _sizes(arch: Any, published: Model, opened: Opened) -> tuple[ModelConfig, int, int]:
    """Return the configuration, number of classes and of channels that a file's shapes tell."""
    wide = isinstance(published, models.WideResNet)
    stem = _shape(opened, "stem_conv", 4)
    path = "stage1_block1/conv1" if wide else "stem_conv"
    shapes = masks.leaf_paths(account.template(published, stem[1])["params"])
    width = _shape(opened, path, 4)[0] / shapes[f"{path}/kernel"].shape[-1]
    small = wide or (isinstance(published, models.ResNet) and stem[2] == 3)
    config = ModelConfig(arch=arch, width=width, stem="small" if small else "imagenet")
    return config, _shape(opened, "head", 2)[0], stem[1]


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


def _statistics(opened: Opened, options: Options, channels: int) -> tuple[Statistics, str]:
    """Return mean and standard deviation of pixels per channel, and where they come from."""
    if (opened.mean is None) != (opened.std is None):
        raise InputError("states only one of mean and standard deviation of pixels")
    if options.statistics is not None:
        (mean, std), origin = options.statistics, "--mean, --std"
    elif opened.mean is not None and opened.std is not None:
        mean, std = opened.mean, opened.std
        origin = f"the file: {', '.join(opened.others.get('normalization', ['its graph']))}"
        if options.bgr:
            mean, std = mean[::-1], std[::-1]
    else:
        (mean, std), origin = opened.layout.statistics, f"assumed: {opened.layout.reason}"
    if not {len(mean), len(std)} <= {1, channels} and not origin.startswith("assumed"):
        raise InputError(
            f"the network takes {channels} channels, its pixel statistics have {len(mean)} and "
            f"{len(std)}"
        )
    mean, std = (provenance.channel_statistics(part, channels) for part in (mean, std))
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and min(std) > 0):
        raise InputError(f"its pixel statistics are {mean} and {std}, expected finite numbers")
    return (mean, std), origin


def _class_names(options: Options, count: int) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes, and where they come from."""
    if options.class_names is not None:
        if len(options.class_names) != count:
            raise InputError(f"has {count} classes, --classes names {len(options.class_names)}")
        return options.class_names, "--classes"
    if count == 1000:
        text = resources.files("rtickets.importers").joinpath("files/imagenet_wnids.txt")
        return tuple(text.read_text().split()), "assumed: 1,000 classes are ImageNet's, in order"
    return tuple(f"class_{index}" for index in range(count)), "none: the file does not name them"


def _own_reference(
    opened: Opened, options: Options, statistics: Statistics, shape: tuple[int, int, int]
) -> Reference | None:
    """Return what the file itself computes, where it holds more than weights."""
    if opened.run is None:
        return None
    images = parity.fixed_images(shape)
    mean, std = (np.array(part, np.float32) for part in statistics)
    normalised = (images - mean) / std
    logits = opened.run(normalised[..., ::-1] if options.bgr else normalised)
    return Reference("the file's own graph", images, logits)


def _tensors(opened: Opened, fitted: Fitted) -> dict[str, Any]:
    """Return where every tensor of the file went."""
    unused = set(fitted.unused)
    used = {
        name: [fitted.used.get(part, part) for part in parts]
        for name, parts in opened.sources.items()
        if not unused.issuperset(parts)
    }
    never_read = [name for name in opened.sources if name not in used]
    return {"used": used, "never_read": never_read, **opened.others}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
