"""What a ticket remembers: its network, the task it was trained on and how it came about.

It is the ticket's `meta`, a dictionary that JSON can hold; an imported or damaged one may lack any
part, which an InputError names.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from rtickets import models
from rtickets.data.arrays import Dataset
from rtickets.data.fingerprint import MISSING, fingerprint
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import make_transform
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.masks.layout_names import names_in
from rtickets.masks.prunable import prunable_leaves
from rtickets.models.settings import ModelConfig
from rtickets.platform import console
from rtickets.settings import config_files
from rtickets.tasks import Task
from rtickets.tickets import taken
from rtickets.tickets.head import known
from rtickets.tickets.taken import inputs_of as inputs_of
from rtickets.tickets.taken import takes as takes


def build_model(meta: Any) -> models.Model:
    """Return the network that a ticket's provenance describes.

    Raises:
        InputError: if the provenance describes none, or one without a head.
    """
    check_head(meta)
    config = config_files.parse(ModelConfig, meta["model"])
    task, width = _head(meta)
    mean, std = tuple(meta["mean"]), tuple(meta["std"])
    return models.from_config(
        config, width, mean=mean, std=std, make_head=task.head, output_stride=task.backbone_stride
    )


def check_inputs(meta: Any, task: Task, transform: Transform, dataset: Dataset) -> None:
    """Raise InputError unless a ticket's network can be called with the examples of a task."""
    own, asked = inputs_of(meta), task.input_spec(transform, dataset.train.spec)
    if not taken.alike(own, asked):
        ours, theirs = (", ".join(map(str, each)) for each in (own, asked))
        raise InputError(
            f"the ticket's network takes {ours}, the task {task.name!r} gives {theirs}; choose "
            "data of its kind"
        )
    if "inputs" in meta:  # images may be of any size, texts not longer than there are positions
        network = models.from_config(config_files.parse(ModelConfig, meta["model"]), 1)
        models.check_inputs(network, asked)


def extend(
    meta: Any, stage: str, config: Any, task: DataConfig | None = None, seed: int | None = None
) -> dict[str, Any]:
    """Return the provenance of the ticket that a stage makes.

    Args:
        meta: provenance of the ticket that it started from, {} at the beginning.
        config: its configuration, appended to the history.
        task: the task, where the stage trains.
        seed: the seed that drew the task's examples, likewise.
    """
    before = meta.get("history", [])
    if not isinstance(before, list):
        raise InputError(f"the ticket is damaged: its history is {before!r:.80}, expected a list")
    history = [*before, {"stage": stage, **config_files.to_dict(config)}]
    trained: dict[str, Any] = {}
    if task is not None:
        trained = {"task": config_files.to_dict(task), "seed": seed, "data": fingerprint(task)}
    return {**meta, **trained, "history": history}


def name_layouts(
    meta: Any, params: Params, prunable: str, exclude: str | None, layouts: Sequence[str]
) -> dict[str, Any]:
    """Return the provenance with the layouts that a draw names.

    Where there are names, they stand under 'layouts', those of this draw and of those before it,
    see `rtickets.masks.layout_names.names_in`.
    """
    paths = prunable_leaves(params, prunable, exclude)
    names = names_in(meta, params, paths, layouts)
    return {**meta, "layouts": names} if names else {**meta}


def history_lines(meta: Any) -> list[str]:
    """Say how a ticket came about, a line a stage, the oldest first.

    Entries that are not those of a stage are named only.
    """
    return [_line(entry) for entry in meta.get("history", ()) if isinstance(entry, Mapping)]


def _line(entry: Mapping[str, Any]) -> str:
    def at(*names: str) -> Any:
        found: Any = entry
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    stage = str(at("stage"))
    fresh = "recalibrated statistics" if at("recalibrate") else None
    way = at("method", "name") or at("method")
    facts = {
        "import": (at("source", "file"), at("model", "arch"), at("model", "variant")),
        "pretrain": (at("data", "source"), at("model", "arch"), at("train", "objective", "name")),
        "search": (
            at("data", "source"), at("model", "arch"),
            f"sparsity {at('searching', 'sparsity')}",
        ),
        "draw": (way, at("control"), at("criterion"), f"sparsity {at('sparsity')}", fresh),
        "transfer": (
            at("data", "source"), _part(at("data")), at("mode"), at("train", "objective", "name"),
            fresh,
        ),
    }.get(stage, ())  # fmt: skip
    return ": ".join(filter(None, (stage, ", ".join(str(fact) for fact in facts if fact))))


def _part(data: Any) -> str | None:
    """Say which part of the training examples was used, None for all."""
    values = data if isinstance(data, Mapping) else {}
    fraction, number = values.get("train_fraction"), values.get("train_per_class")
    if fraction is None and number is None:
        return None
    much = f"{number} a class" if fraction is None else f"{fraction} of the examples"
    return f"{much} ({values.get('train_choice')})"


def fitting_transform(config: DataConfig, meta: Any) -> Transform:
    """Return a task's transform, to the size and channels that a ticket was trained with.

    Sizes and channels that the task names itself stay.
    """
    check(meta)
    asked = make_transform(config)
    if "inputs" in meta:
        return asked
    height, width, channels = meta["image_shape"]
    return dataclasses.replace(
        asked, size=asked.size or (height, width), channels=asked.channels or channels
    )


def channel_statistics(statistics: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return pixel statistics for a number of channels: their mean for each, if not theirs."""
    if len(statistics) == channels:
        return statistics
    return (float(np.mean(statistics)),) * channels


def trained_on(meta: Any) -> tuple[DataConfig, int]:
    """Return the data that a ticket was last trained on, and the seed that drew its examples.

    The task is that which the ticket remembers, whatever the source asks now.

    Raises:
        InputError: if the provenance does not say.
    """
    if not (_FIELDS["task"](meta.get("task")) and _FIELDS["seed"](meta.get("seed"))):
        raise InputError(
            "the ticket does not say what it was trained on, as those that are imported; name the "
            "task, for instance --config.data.source=cifar10"
        )
    config = config_files.parse(DataConfig, meta["task"])
    if "asks" in meta and config.task is None:
        config = config_files.replace(config, task=known(meta)[0])
    return config, meta["seed"]


def last_task(meta: Any) -> tuple[DataConfig, int]:
    """Return what `trained_on` does, and say so where the files of the task have changed since.

    Files that are not there any more are named when they are read.
    """
    task, seed = trained_on(meta)
    if meta.get("data") is not None and fingerprint(task) not in (meta["data"], MISSING):
        place = task.path or "its usual place"
        console.say(f"{task.source} at {place} has changed since the network was trained on it")
    return task, seed


def check_head(meta: Any) -> None:
    """Raise InputError unless a ticket has a head, which an imported backbone has not yet."""
    check(meta)
    _head(meta)


def _head(meta: Any) -> tuple[Task, int]:
    """Return the task of a ticket's head, and its outputs."""
    task, about = known(meta)
    try:
        width = task.width(about)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError):
        width = 0
    if width < 1:
        raise InputError(
            f"the ticket's provenance is damaged: a head of the task {task.name!r} is not for "
            f"about={dict(about)!r:.80}; take the ticket from a copy, or make it again"
        )
    return task, width


def check_split(meta: Any, task: DataConfig) -> None:
    """Check that a task is not split in another way than the one a ticket was trained on."""
    if "task" not in meta:
        return
    trained, _ = trained_on(meta)
    for field in _SPLITS:
        if _same_data(trained, task) and getattr(trained, field) != getattr(task, field):
            raise InputError(
                f"config.data.{field}={getattr(task, field)} differs from the "
                f"{getattr(trained, field)} that the ticket was trained with, so that training "
                "images would be judged on"
            )


def seed_of_part(meta: Any, task: DataConfig) -> int | None:
    """Return the seed that drew the part of some data (`DataConfig.limit`) a ticket was trained on.

    None where the data are no part, or the ticket was trained on others.
    """
    if "task" not in meta or not task.limit:
        return None
    trained, seed = trained_on(meta)
    return seed if _same_data(trained, task) else None


def _same_data(one: DataConfig, other: DataConfig) -> bool:
    return (one.source, one.path) == (other.source, other.path)


def check(meta: Any) -> None:
    """Raise InputError unless provenance tells of a network, with or without a head."""
    of_head = {"asks", "about"} if "asks" in meta else {"class_names"}
    shape = "inputs" if "inputs" in meta else "image_shape"
    missing = {"model", "mean", "std", shape, *of_head} - set(meta)
    if missing:
        raise InputError(
            f"the ticket's provenance lacks {', '.join(sorted(missing))}; it was not made by a "
            "stage of rtickets, so its network is unknown; attacks and masks take any network in "
            "Python, stages take one whose architecture has a name (docs/extending.md)"
        )
    wrong = [name for name, is_fine in _FIELDS.items() if name in meta and not is_fine(meta[name])]
    if wrong or len(meta["mean"]) != len(meta["std"]):
        raise InputError(
            f"the ticket's provenance is damaged: {', '.join(wrong or ['mean', 'std'])}; take the "
            "ticket from a copy, or make it again"
        )


def _are_names(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(one, str) for one in values)


_SPLITS = (
    "test_fraction", "validation_fraction", "train_fraction", "train_per_class", "train_choice",
)  # fmt: skip
_LARGEST = 2**14  # pixels of a side
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "model": lambda value: isinstance(value, Mapping),
    "class_names": _are_names,
    "mean": lambda value: taken.are_numbers(value, -1e6, 1e6),
    "std": lambda value: taken.are_numbers(value, 1e-12, 1e6),
    "image_shape": lambda value: (
        taken.are_numbers(value, 1, _LARGEST, Integral) and len(value) == 3
    ),
    "inputs": taken.are_inputs,
    "seed": lambda value: isinstance(value, Integral),
    "task": lambda value: isinstance(value, Mapping),
    "history": lambda value: isinstance(value, list | tuple),
    "asks": lambda value: isinstance(value, Mapping),
    "about": lambda value: isinstance(value, Mapping),
}
