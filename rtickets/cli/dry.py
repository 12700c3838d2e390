"""The option --dry-run: say what a verb would do."""

import argparse
from collections.abc import Sequence

from rtickets.cli.start import start
from rtickets.cli.verb import Verb, read_config


def dry_run(verb: Verb, options: argparse.Namespace, config_words: Sequence[str]) -> None:
    """Print what a configuration would take on this machine; nothing is trained or written."""
    from rtickets.costs import Setting, as_text
    from rtickets.costs.network_costs import measured_rate
    from rtickets.runs import folders
    from rtickets.stages.registry import estimate

    config = read_config(verb, config_words)
    devices = start(options, keep_compiled=False)  # nothing is to be written
    path = getattr(config, "ticket", None)
    if path is None:
        setting = Setting(devices=len(devices))
    else:
        setting = Setting.of_ticket(folders.find_ticket(path, options.workdir), len(devices))
    estimates = estimate(config, setting)
    trained = config.pretraining(config.baseline) if hasattr(config, "pretraining") else config
    model = getattr(trained, "model", setting.model)
    precision = "float32" if model is None else model.precision
    print(as_text(estimates, measured_rate(devices, precision), len(devices)))
