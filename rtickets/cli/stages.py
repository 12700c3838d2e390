"""The verbs that run one stage: a line each, beside that of `rtickets.stages.registry`.

What is said here of a stage is what its help needs, so that help need not import it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rtickets.cli.start import is_primary, start, when_free
from rtickets.cli.verb import Verb, add_stage_options, consent_of, read_config
from rtickets.cli.watching import (
    add_tracking_option,
    add_watching_options,
    publish,
    trackers_of,
    watched,
)
from rtickets.errors import printable


def _print_result(folder: Any) -> None:
    print(json.dumps(folder.result(), indent=2))


def _print_evaluation(folder: Any) -> None:
    """Print what was measured, and the findings about them as lines instead of JSON."""
    from rtickets.report.honesty import verdict_lines
    from rtickets.stages.results import read_evaluation

    result, evaluation = folder.result(), read_evaluation(folder)
    result.pop("honesty", None)
    print(json.dumps(result, indent=2))
    for line in verdict_lines(evaluation):
        print(printable(line))


def stage_verb(
    name: str,
    description: str,
    *,
    trains: bool = True,
    has_default: bool = False,
    show: Callable[[Any], None] = _print_result,
) -> Verb:
    """Return the verb that runs a stage.

    Args:
        name: of the stage in `rtickets.stages.registry`, which is the verb's.
        description: what it does, in a line.
        trains: whether it has training runs that can be watched.
        has_default: whether it runs without --config=FILE.py.
        show: prints what a complete folder holds.

    Returns:
        The verb.
    """

    def config() -> tuple[type, Any]:
        cls = _stage(name).config
        return cls, cls() if has_default else None

    def add_options(parser: argparse.ArgumentParser) -> None:
        add_stage_options(parser)
        (add_watching_options if trains else add_tracking_option)(parser)

    def run(options: argparse.Namespace, config_words: Sequence[str]) -> None:
        config = read_config(verb, config_words)
        trackers_of(options)  # refused before anything runs
        folder = _run(name, watched(config, options) if trains else config, options)
        if is_primary():
            publish(folder.path, options)
            show(folder)
            print(f"done: {printable(folder.path)}")

    verb = Verb(run, description, add_options, config=config)
    return verb


def _stage(name: str) -> Any:
    from rtickets.stages.registry import STAGES

    return STAGES[name]


def _run(name: str, config: Any, options: argparse.Namespace) -> Any:
    """Run a stage and return its folder."""
    from rtickets.runs import folders

    stage = _stage(name)
    source = folders.find_ticket(config.ticket, options.workdir) if stage.from_ticket else None
    devices = start(options)
    called = options.name or stage.name(config)
    return attempted(partial(stage.run, config, source, options.workdir, called, devices), options)


def attempted(stage: Callable[[], Any], options: argparse.Namespace) -> Any:
    """Run a stage, past what the options agree to; say what it is called where not as asked."""
    from rtickets.runs.consent import attempt
    from rtickets.runs.folders import readable

    folder = when_free(lambda: attempt(stage, consent_of(options), set()))
    if options.name and is_primary():
        named = folder.path.name.partition("-")[2].rpartition("-")[0]
        if named != readable(options.name):
            before = printable(folder.path.name)
            print(f"rtickets: this run was named before: {before}", file=sys.stderr)
    return folder


STAGE_VERBS: dict[str, Verb] = {
    name: stage_verb(name, description, **options)
    for name, description, options in (
        ("pretrain", "train a dense network on the source task, naturally or robustly", {}),
        ("draw", "draw a ticket from a network", {"has_default": True}),
        ("search", "draw an architecture and its ticket out of a supernet in one run", {}),
        ("transfer", "train a ticket on a downstream task", {}),
        (
            "evaluate",
            "measure a network on a test split: its task's measures, robustness and more",
            {"trains": False, "has_default": True, "show": _print_evaluation},
        ),
    )
}
