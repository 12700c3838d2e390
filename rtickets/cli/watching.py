"""Options for watching the training runs of a verb."""

import argparse
from typing import TypeVar

from rtickets.cli.verb import positive

T = TypeVar("T")


def add_watching_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be written about training runs beside their results."""
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard files to the run folders"
    )
    parser.add_argument(
        "--profile",
        type=positive,
        nargs="?",
        const=10,
        metavar="STEPS",
        help="write a trace of some training steps (default: 10) and how their time divides to "
        "the run folders",
    )


def watched(config: T, options: argparse.Namespace) -> T:
    """Return a configuration whose training runs write what the options ask for."""
    if not options.tensorboard and not options.profile:
        return config
    from rtickets.settings import config_files
    from rtickets.training.observe import tensorboard
    from rtickets.training.observe.settings import ObserveConfig

    if options.tensorboard:
        tensorboard.check_installed()
    observe = ObserveConfig(options.tensorboard, options.profile or 0)
    return config_files.replace_everywhere(config, {"observe": observe})
