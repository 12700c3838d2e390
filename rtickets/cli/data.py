"""The verb that lists, describes and prepares data sets."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rtickets.cli.verb import CONFIG_HELP, Verb, config_class, path_of, read_config, refuse_config
from rtickets.errors import InputError, printable

if TYPE_CHECKING:
    from rtickets.data import Dataset

_MOST_COMPARED = 200_000  # images on disk that `data info` reads to find duplicates


def _add_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="list the sources", allow_abbrev=False)
    actions.add_parser(
        "info",
        help="load one and describe it",
        epilog=CONFIG_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    prepare = actions.add_parser(
        "prepare", help="download a public set and prepare it, or verify it", allow_abbrev=False
    )
    prepare.add_argument("name", metavar="NAME", help="a name of `data list` or tfds:NAME")
    prepare.add_argument(
        "--data-dir",
        type=path_of,
        metavar="DIR",
        help="where to (default: $RTICKETS_DATA/NAME, or rtickets-data/NAME in the home folder)",
    )
    prepare.add_argument(
        "--manual",
        type=path_of,
        metavar="DIR",
        help="take the set's files from here, packed or unpacked; nothing is downloaded",
    )


def _data(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    if options.action != "info":
        refuse_config(f"data {options.action}", config_words)
    if options.action == "list":
        _list()
    elif options.action == "prepare":
        _prepare(options.name, options.data_dir, options.manual)
    else:
        _info(config_words)


def _list() -> None:
    from rtickets import data

    for name, source in data.SOURCES.items():
        needs = f" (needs {source.needs})" if source.needs else ""
        print(f"{name:18} {source.description}{needs}")
    print("tfds:NAME          any set of TensorFlow Datasets on disk (needs rtickets[tfds])")
    print(f"vtab:NAME          VTAB-1k: {', '.join(data.VTAB_TASKS)}")


def _info(config_words: Sequence[str]) -> None:
    from rtickets import data
    from rtickets.tasks import task_of

    config = read_config(DATA, config_words)
    asks, task = task_of(config), data.load(config)
    streamed = task.train.streamed
    stays = ", encoded on disk" if streamed else ""
    seen = [task.train.spec[name] for name in asks.inputs]
    images = [each.name for each in seen] == ["image"]
    kinds = f"images {seen[0].shape}, {seen[0].dtype}" if images else ", ".join(map(str, seen))
    print(f"{config.source}: {kinds}{stays}")
    noun = "images" if images else "examples"
    for name in ("train", "validation", "test"):
        print(f"{name:14} {len(getattr(task, name)):,} {noun}")
    if task.class_names:
        print(f"{'classes':14} {len(task.class_names)}: {printable(', '.join(task.class_names))}")
    else:
        others = (f"{name} {a.shape[1:]} {a.dtype}" for name, a in task.train.arrays.items())
        print(f"{'task':14} {asks.name}, of {', '.join(others)}")
    print(f"{'metric':14} {asks.headline.name}")
    if task.mean:
        print(f"{'mean, std':14} {task.mean}, {task.std}")
    notes = task.notes + (_duplicates_on_disk(config.source, task) if streamed else ())
    for note in notes:
        print(f"{'note':14} {printable(note)}")


def _duplicates_on_disk(source: str, task: "Dataset") -> tuple[str, ...]:
    """Look for copies among encoded images, unless preparing the set has done so."""
    from rtickets.data.duplicates import find_duplicates
    from rtickets.data.sources.mask_sets import MASK_SETS
    from rtickets.data.sources.person_sets import PERSON_SETS
    from rtickets.data.sources.public import PUBLIC_SETS
    from rtickets.data.sources.scene_masks import SCENE_MASKS

    count = sum(map(len, task[:3]))
    if any(source in each for each in (PUBLIC_SETS, MASK_SETS, SCENE_MASKS, PERSON_SETS)):
        # They are compared when they are prepared, or lie in folders of their split.
        return ()
    if count > _MOST_COMPARED:
        return (f"too many images ({count:,}) to look for copies across splits",)
    return find_duplicates(task)


def _prepare(name: str, data_dir: Path | None, manual: Path | None) -> None:
    from rtickets.data.prepare.public_sets import prepare
    from rtickets.data.sources.box_sets import BOX_SETS
    from rtickets.data.sources.prepared_sets import folder_of
    from rtickets.data.sources.public import PUBLIC_SETS

    if name.startswith("tfds:"):
        from rtickets.data.prepare.tfds import prepare_tfds
        from rtickets.data.sources.tfds import tfds_root

        prepare_tfds(name.removeprefix("tfds:"), data_dir or tfds_root(), manual)
        return
    folder = data_dir or folder_of(name)
    if name == "voc2012":
        from rtickets.data.prepare.voc import prepare_voc

        prepare_voc(folder, manual)
        return
    if name in BOX_SETS:
        from rtickets.data.prepare.box_sets import prepare_boxes

        prepare_boxes(BOX_SETS[name], folder, manual)
        return
    if name not in PUBLIC_SETS:
        raise InputError(
            f"{name!r} cannot be prepared; choose one of {', '.join((*PUBLIC_SETS, *BOX_SETS))}, "
            "voc2012, tfds:NAME"
        )
    prepare(PUBLIC_SETS[name], folder, manual)


DATA = Verb(
    _data,
    "list, describe or prepare data sets",
    _add_options,
    config=config_class("DataConfig", has_default=True),
)
