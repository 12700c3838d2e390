"""What a study takes: an estimate per kind of run, with how often it runs."""

from collections.abc import Iterator
from dataclasses import replace

from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.augment import check_resize
from rtickets.settings import config_files
from rtickets.stages.draw_costs import estimate_draw
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.evaluate import estimate_evaluation
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.transfer import estimate_transfer


def estimate_study(config: StudyConfig, setting: Setting) -> list[Estimate]:
    """Estimate a study, one estimate per kind of run, which seeds and objectives repeat.

    Raises:
        InputError: if a batch does not fit its data, or data has to be read and cannot be.
    """
    return list(_runs(config, setting))


def _runs(config: StudyConfig, setting: Setting) -> Iterator[Estimate]:
    check_resize(config.pretrain.data)
    source, model, devices = sizes_of(config.pretrain.data), config.pretrain.model, setting.devices
    setting = replace(setting, model=model, task=config.pretrain.data, inputs=source.inputs)
    for label, objective in config.objectives.items():
        train = config_files.replace(config.pretrain.train, objective=objective)
        times = len(config.seeds)
        yield estimate_training(f"pretrain, {label}", source, model, train, devices, times=times)
    networks = len(config.seeds) * len(config.objectives)
    tickets = networks * (1 + sum(len(config.ladder(label)) for label in config.draws))
    for label, draw in config.draws.items():
        yield from _draws(label, draw, config.ladder(label), setting, networks)
    for label, transfer in config.transfers.items():
        yield estimate_transfer(transfer, setting, f"transfer, {label}", tickets)
        task = setting.task_of(transfer.data)
        yield estimate_evaluation(config.evaluate, task, model, devices, tickets)
    yield estimate_evaluation(config.evaluate, source, model, devices, networks)


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
