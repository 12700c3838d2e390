"""What a study takes: an estimate per kind of run, with how often it runs."""

from collections.abc import Iterator
from dataclasses import replace

from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import check_resize
from rtickets.settings import config_files
from rtickets.stages.cached import MOST_BYTES
from rtickets.stages.draw_costs import estimate_draw
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.evaluate import estimate_evaluation
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.together import TICKETS
from rtickets.stages.transfer import estimate_transfer


def estimate_study(config: StudyConfig, setting: Setting) -> list[Estimate]:
    """Estimate a study, one estimate per kind of run, which seeds and objectives repeat.

    Raises:
        InputError: if a batch does not fit its data, or data has to be read and cannot be.
    """
    return list(_runs(config, setting))


def _runs(config: StudyConfig, setting: Setting) -> Iterator[Estimate]:
    sources = config.sources()
    for label, (pretrain, branches) in sources.items():
        for found in _runs_of(config, pretrain, branches, setting):
            name = found.name
            if len(sources) > 1 and not name.startswith("pretrain, "):
                name = f"{label}: {name}"
            yield found._replace(name=name)


def _runs_of(
    config: StudyConfig, pretrain: PretrainConfig, branches: tuple[str, ...], setting: Setting
) -> Iterator[Estimate]:
    """Estimate everything that branches of one data set and network need."""
    check_resize(pretrain.data)
    source, model, devices = sizes_of(pretrain.data), pretrain.model, setting.devices
    setting = replace(setting, model=model, task=pretrain.data, inputs=source.inputs)
    for label in branches:
        train, times = config.pretraining(label).train, len(config.seeds)
        if pretrain.network is None:
            yield estimate_training(
                f"pretrain, {label}", source, model, train, devices, times=times
            )
    networks = len(config.seeds) * len(branches)
    tickets = networks * (1 + sum(len(config.ladder(label)) for label in config.draws))
    for label, draw in config.draws.items():
        if label not in config.drawn_as_pretrained:
            yield from _draws(label, draw, config.ladder(label), setting, networks)
            continue
        for branch in branches:
            own = config.drawing(label, branch)
            of_branch = f"{label} of {branch}"
            yield from _draws(of_branch, own, config.ladder(label), setting, len(config.seeds))
    for label, transfer in config.transfers.items():
        found = estimate_transfer(transfer, setting, f"transfer, {label}", tickets)
        yield _together(found, transfer, config.together or TICKETS)
        task = setting.task_of(transfer.data)
        yield estimate_evaluation(config.evaluate, task, model, devices, tickets)
    if pretrain.network is None:
        yield estimate_evaluation(config.evaluate, source, model, devices, networks)


def _together(found: Estimate, transfer: TransferConfig, at_once: int) -> Estimate:
    """Return the estimate of transfers of a study, of which some may be trained together."""
    count = min(found.times, at_once)
    if transfer.features != "cached" or count < 2:
        return found
    one = found.memory["features"]
    memory = {**found.memory, "features": max(one, min(count * one, float(MOST_BYTES)))}
    about = f"heads of as many as {count} tickets are trained together"
    return found._replace(memory=memory, about=(*found.about, about))


def _draws(
    label: str, draw: DrawConfig, ladder: tuple[float, ...], setting: Setting, networks: int
) -> Iterator[Estimate]:
    task = setting.task_of(draw.data) if draw.reads_task else None
    longest = max(ladder)  # longer chains of states reuse shorter ones
    chosen = (longest,) if draw.method.in_states else ladder
    for sparsity in chosen if draw.train is not None else chosen[:1]:
        own = config_files.replace(draw, sparsity=sparsity)
        times = networks if draw.train is not None else networks * len(ladder)
        found = estimate_draw(own, task, setting.model_for(task), setting.devices, times)
        yield found._replace(name=f"{label}: {found.name}")
