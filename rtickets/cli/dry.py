"""The option --dry-run: say what a verb would do."""

import argparse
from collections.abc import Sequence
from typing import Any

from rtickets.cli.start import start
from rtickets.errors import InputError


def dry_run(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    """Print what a configuration would take on this machine; nothing is trained or written."""
    from rtickets import config_files
    from rtickets.costs import measured_rate
    from rtickets.dry_run import as_text, estimate

    config = config_files.from_command_line(*_kind(options.verb, config_words))
    devices = start(options)
    setting = _setting(getattr(config, "ticket", None), len(devices))
    estimates = estimate(config, setting)
    trained = getattr(config, "pretrain", config)
    model = getattr(trained, "model", setting.model)
    precision = "float32" if model is None else model.precision
    print(as_text(estimates, measured_rate(devices, precision), len(devices)))


def _kind(verb: str, config_words: Sequence[str]) -> tuple[Any, ...]:
    """Return the arguments that a verb reads its configuration with."""
    from rtickets import config
    from rtickets.demo import demo_study

    kinds: dict[str, tuple[Any, ...]] = {
        "pretrain": (config.PretrainConfig, config_words),
        "draw": (config.DrawConfig, config_words, config.DrawConfig()),
        "transfer": (config.TransferConfig, config_words),
        "evaluate": (config.EvaluateConfig, config_words, config.EvaluateConfig()),
        "study": (config.StudyConfig, config_words),
        "demo": (config.StudyConfig, config_words, demo_study()),
    }
    if verb not in kinds:
        raise InputError(f"--dry-run: the verb {verb} trains nothing; leave it out")
    return kinds[verb]


def _setting(path: str | None, devices: int) -> Any:
    """Return the network and task of a ticket, where one is given."""
    from rtickets import config_files, provenance, runs
    from rtickets.config import ModelConfig
    from rtickets.draw import Ticket
    from rtickets.dry_run import Setting

    if path is None:
        return Setting(devices=devices)
    meta = Ticket.load(runs.find_ticket(path).ticket).meta
    model = config_files.parse(ModelConfig, meta["model"])
    task, _ = provenance.trained_on(meta)
    return Setting(model, task, tuple(meta["image_shape"]), devices)
