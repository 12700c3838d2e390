"""The verbs that run one stage."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from rtickets.cli.start import is_primary, start
from rtickets.cli.verb import Verb, add_stage_options
from rtickets.cli.watching import add_watching_options, watched


def _pretrain(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, stages
    from rtickets.config import PretrainConfig

    config = watched(config_files.from_command_line(PretrainConfig, config_words), options)
    devices = start(options)
    name = options.name or config.train.objective.name
    _report_stage(stages.pretrain(config, options.workdir, name, devices))


def _draw(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import DrawConfig

    config = config_files.from_command_line(DrawConfig, config_words, DrawConfig())
    config = watched(config, options)
    source = runs.find_ticket(config.ticket)
    devices = start(options)
    name = options.name or f"{config.control or config.method}{config.sparsity:.4g}"
    _report_stage(stages.draw(config, source, options.workdir, name, devices))


def _transfer(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import TransferConfig

    config = watched(config_files.from_command_line(TransferConfig, config_words), options)
    source = runs.find_ticket(config.ticket)
    devices = start(options)
    name = options.name or f"{config.data.source}-{config.mode}"
    _report_stage(stages.transfer(config, source, options.workdir, name, devices))


def _evaluate(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import EvaluateConfig

    config = config_files.from_command_line(EvaluateConfig, config_words, EvaluateConfig())
    source = runs.find_ticket(config.ticket)
    devices = start(options)
    name = options.name or config.split
    _report_evaluation(stages.evaluate(config, source, options.workdir, name, devices))


def _report_stage(folder: Any) -> None:
    if is_primary():
        print(json.dumps(folder.result(), indent=2))
        print(f"done: {folder.path}")


def _report_evaluation(folder: Any) -> None:
    """Print the accuracies, and the findings about them as lines instead of JSON."""
    from rtickets.report.honesty import verdict_lines

    if not is_primary():
        return
    result = folder.result()
    honesty = result.pop("honesty", None)
    print(json.dumps(result, indent=2))
    for line in verdict_lines(honesty) if honesty else ():
        print(line)
    print(f"done: {folder.path}")


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add_stage_options(parser)
    add_watching_options(parser)


PRETRAIN = Verb(
    _pretrain,
    "train a dense network on the source task, naturally or robustly",
    _add_training_options,
)
DRAW = Verb(_draw, "draw a ticket from a network", _add_training_options)
TRANSFER = Verb(_transfer, "train a ticket on a downstream task", _add_training_options)
EVALUATE = Verb(_evaluate, "measure accuracy and robustness on a test split", add_stage_options)
