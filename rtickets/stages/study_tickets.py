"""The networks and tickets of a study: pretrained and drawn, each unless it is done already."""

from pathlib import Path
from typing import NamedTuple

from rtickets import stages
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.points import DENSE
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.ways.given import Given
from rtickets.storage import workdirs


class Where(NamedTuple):
    """Where stages run.

    Attributes:
        workdir: where run folders lie.
        devices: where to compute.
    """

    workdir: Path
    devices: parallel.Devices


def pretrained(config: StudyConfig, seed: int, branch: str, where: Where) -> RunFolder:
    """Return the pretrained network of a branch."""
    pretrain = config_files.replace(config.pretraining(branch), train__seed=seed)
    return stages.pretrain(pretrain, where.workdir, f"{branch}-s{seed}", where.devices)


def drawn(
    config: StudyConfig, seed: int, branch: str, label: str, sparsity: float, where: Where
) -> RunFolder:
    """Return a ticket of a branch, or its pretrained network where nothing is drawn."""
    network = pretrained(config, seed, branch, where)
    if label == DENSE:
        return network
    draw = config_files.replace(config.drawing(label, branch), sparsity=sparsity)
    method = draw.method
    if isinstance(method, Given) and method.draw is not None:
        assert method.pretraining is not None  # the configuration was checked
        theirs = drawn(config, seed, method.pretraining, method.draw, sparsity, where)
        mask = workdirs.address_of(theirs.path) or str(theirs.path)
        draw = config_files.replace(draw, method=Given(mask=mask))
    name = f"{label}{sparsity:.4g}-{branch}-s{seed}"
    return stages.draw(_seeded(draw, seed), network.source, where.workdir, name, where.devices)


def _seeded(draw: DrawConfig, seed: int) -> DrawConfig:
    """Return a draw with the study's seed where something depends on it.

    Otherwise the run is that which a plain draw leaves.
    """
    if draw.seeded or draw.control is not None:
        draw = config_files.replace(draw, seed=seed)
    return draw if draw.train is None else config_files.replace(draw, train__seed=seed)
