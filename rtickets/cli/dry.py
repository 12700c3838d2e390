"""The option --dry-run: say what a verb would do."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.start import start
from rtickets.cli.verb import Verb, read_config


def dry_run(verb: Verb, options: argparse.Namespace, config_words: Sequence[str]) -> None:
    """Print what a configuration would take on this machine; nothing is trained or written."""
    from rtickets.costs import as_text, estimate
    from rtickets.costs.network_costs import measured_rate

    config = read_config(verb, config_words)
    devices = start(options, keep_compiled=False)
    setting = _setting(config, options.workdir, len(devices))
    estimates = estimate(config, setting)
    trained = getattr(config, "pretrain", config)
    model = getattr(trained, "model", setting.model)
    precision = "float32" if model is None else model.precision
    print(as_text(estimates, measured_rate(devices, precision), len(devices)))


def _setting(config: Any, workdir: Path, devices: int) -> Any:
    """Return the network and task of a ticket, where one is given."""
    from rtickets.costs import Setting, needs_logits
    from rtickets.draw.settings import DrawConfig
    from rtickets.models.settings import ModelConfig
    from rtickets.runs import folders
    from rtickets.settings import config_files
    from rtickets.stages.upstream import removed
    from rtickets.tickets import provenance
    from rtickets.tickets.ticket import Ticket

    path = getattr(config, "ticket", None)
    if path is None:
        return Setting(devices=devices)
    source = folders.find_ticket(path, workdir)
    meta = Ticket.load(source.ticket).meta
    model = config_files.parse(ModelConfig, meta["model"])
    if needs_logits(config):
        provenance.check_head(meta)
    task = provenance.trained_on(meta)[0] if "task" in meta else None
    lost = removed(source, config) if isinstance(config, DrawConfig) else 0.0
    return Setting(model, task, tuple(meta["image_shape"]), devices, lost)
