"""A network that is there already, in the place of one that is pretrained."""

from pathlib import Path
from typing import Any

from rtickets import data
from rtickets.errors import InputError
from rtickets.models.settings import ModelConfig
from rtickets.runs.folders import RunFolder, StartingTicket, find_ticket, folder_of, run_once
from rtickets.settings import config_files
from rtickets.stages.settings import PretrainConfig
from rtickets.stages.train import save_ticket
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket, read_description


def taken(config: PretrainConfig, workdir: Path, name: str) -> RunFolder:
    """Leave the network of `config.network` in a folder, as if it were trained there.

    Raises:
        InputError: if there is none, or it is another one than `config.model`.
    """
    source = check_taken(config, workdir)

    def body(folder: Path) -> dict[str, Any]:
        return save_ticket(folder, Ticket.load(source.ticket))

    return run_once(folder_of(workdir, "pretrain", name, config, source), body)


def check_taken(config: PretrainConfig, workdir: Path) -> StartingTicket:
    """Return the ticket of a network that is there; it is looked at, not loaded.

    Raises:
        InputError: as above, or if it cannot read the data.
    """
    source = find_ticket(config.network, workdir)
    meta = read_description(source.ticket)["meta"]
    provenance.check(meta)
    own = config_files.parse(ModelConfig, meta["model"])
    if own != config.model:
        raise InputError(
            f"network={config.network!r} is {_words(own)}, and model is {_words(config.model)}; "
            "set model to that"
        )
    task, dataset = task_of(config.data), data.load(config.data, config.train.seed)
    transform = provenance.fitting_transform(config.data, meta).left_to_do(dataset)
    provenance.check_inputs(meta, task, transform, dataset)
    return source


def _words(model: ModelConfig) -> str:
    """Say what of a network is not as usual."""
    usual, values = (config_files.to_dict(each) for each in (ModelConfig(), model))
    odd = {name: value for name, value in values.items() if value != usual.get(name)}
    return ", ".join(f"{name}={value}" for name, value in odd.items()) or "the usual one"
