"""Options for watching the training runs of a verb."""

import argparse
from pathlib import Path
from typing import TypeVar

from rtickets.cli.verb import positive

T = TypeVar("T")


def add_watching_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be written about training runs beside their results."""
    add_tracking_option(parser)
    parser.add_argument(
        "--tensorboard", action="store_true", help="the same as --track=tensorboard"
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


def add_tracking_option(parser: argparse.ArgumentParser) -> None:
    """Add who gets a copy of what is measured."""
    parser.add_argument(
        "--track",
        action="append",
        metavar="NAME",
        help="copy curves, settings, results, pictures and tickets to tensorboard, wandb or "
        "mlflow; may be given several times",
    )


def trackers_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the trackers that options ask for; raise InputError for one that cannot be had."""
    if not options.track and not getattr(options, "tensorboard", False):
        return ()
    from rtickets.training.observe.settings import ObserveConfig
    from rtickets.training.observe.trackers import check_trackers

    asked = ObserveConfig(getattr(options, "tensorboard", False), 0, tuple(options.track or ()))
    check_trackers(asked.all_trackers)
    return asked.all_trackers


def watched(config: T, options: argparse.Namespace) -> T:
    """Return a configuration whose training runs write what the options ask for."""
    trackers = trackers_of(options)
    if not trackers and not options.profile:
        return config
    from rtickets.settings import config_files
    from rtickets.training.observe.settings import ObserveConfig

    observe = ObserveConfig(profile_steps=options.profile or 0, trackers=trackers)
    return config_files.replace_everywhere(config, {"observe": observe})


def publish(folder: Path, options: argparse.Namespace) -> None:
    """Tell the trackers that options ask for what came out of a complete run."""
    if trackers := trackers_of(options):
        from rtickets.training.observe import trackers as observed

        observed.publish(folder, trackers)
