"""The verbs that run one stage."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rtickets.cli.start import is_primary, start
from rtickets.cli.verb import Verb, add_stage_options, config_class, consent_of, read_config
from rtickets.cli.watching import add_watching_options, watched
from rtickets.errors import printable


def _run(stage: Callable[[], Any], options: argparse.Namespace) -> Any:
    """Run a stage, past what the options agree to."""
    from rtickets.runs.consent import attempt
    from rtickets.runs.folders import readable

    folder = attempt(stage, consent_of(options), set())
    if options.name and is_primary():
        named = folder.path.name.partition("-")[2].rpartition("-")[0]
        if named != readable(options.name):
            name = printable(folder.path.name)
            print(f"rtickets: this run was named before: {name}", file=sys.stderr)
    return folder


def _pretrain(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import stages

    config = watched(read_config(PRETRAIN, config_words), options)
    devices = start(options)
    name = options.name or config.train.objective.name
    run = partial(stages.pretrain, config, options.workdir, name, devices)
    _report_stage(_run(run, options))


def _draw(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import stages
    from rtickets.runs import folders

    config = watched(read_config(DRAW, config_words), options)
    source = folders.find_ticket(config.ticket, options.workdir)
    devices = start(options)
    name = options.name or f"{config.control or config.method}{config.sparsity:.4g}"
    run = partial(stages.draw, config, source, options.workdir, name, devices)
    _report_stage(_run(run, options))


def _transfer(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import stages
    from rtickets.runs import folders

    config = watched(read_config(TRANSFER, config_words), options)
    source = folders.find_ticket(config.ticket, options.workdir)
    devices = start(options)
    name = options.name or f"{config.data.source}-{config.mode}"
    run = partial(stages.transfer, config, source, options.workdir, name, devices)
    _report_stage(_run(run, options))


def _evaluate(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import stages
    from rtickets.runs import folders

    config = read_config(EVALUATE, config_words)
    source = folders.find_ticket(config.ticket, options.workdir)
    devices = start(options)
    name = options.name or config.split
    run = partial(stages.evaluate, config, source, options.workdir, name, devices)
    _report_evaluation(_run(run, options))


def _report_stage(folder: Any) -> None:
    if is_primary():
        print(json.dumps(folder.result(), indent=2))
        print(f"done: {printable(folder.path)}")


def _report_evaluation(folder: Any) -> None:
    """Print the accuracies, and the findings about them as lines instead of JSON."""
    from rtickets.report.honesty import verdict_lines
    from rtickets.stages.results import read_evaluation

    if not is_primary():
        return
    result, evaluation = folder.result(), read_evaluation(folder)
    result.pop("honesty", None)
    print(json.dumps(result, indent=2))
    for line in verdict_lines(evaluation):
        print(printable(line))
    print(f"done: {printable(folder.path)}")


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add_stage_options(parser)
    add_watching_options(parser)


PRETRAIN = Verb(
    _pretrain,
    "train a dense network on the source task, naturally or robustly",
    _add_training_options,
    config=config_class("PretrainConfig"),
)
DRAW = Verb(
    _draw,
    "draw a ticket from a network",
    _add_training_options,
    config=config_class("DrawConfig", has_default=True),
)
TRANSFER = Verb(
    _transfer,
    "train a ticket on a downstream task",
    _add_training_options,
    config=config_class("TransferConfig"),
)
EVALUATE = Verb(
    _evaluate,
    "measure accuracy and robustness on a test split",
    add_stage_options,
    config=config_class("EvaluateConfig", has_default=True),
)
