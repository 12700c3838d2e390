"""The verb that shows data sources."""

import argparse
from collections.abc import Sequence

from rtickets.cli.verb import Verb


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "info"])


def _data(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, data
    from rtickets.config import DataConfig

    if options.action == "list":
        for name, source in data.SOURCES.items():
            needs = f" (needs {source.needs})" if source.needs else ""
            print(f"{name:14} {source.description}{needs}")
        return
    config = config_files.from_command_line(DataConfig, config_words, DataConfig())
    task = data.load(config)
    print(f"{config.source}: images {task.train.images.shape[1:]}, {task.train.images.dtype}")
    for name in ("train", "validation", "test"):
        print(f"{name:14} {len(getattr(task, name)):,} images")
    print(f"{'classes':14} {len(task.class_names)}: {', '.join(task.class_names)}")
    print(f"{'mean, std':14} {task.mean}, {task.std}")


DATA = Verb(_data, "list the data sources, or describe one", _add_options)
