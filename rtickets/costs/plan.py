"""The runs of a configuration."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rtickets.costs.runs import Estimate, estimate_draw, estimate_evaluation, estimate_training
from rtickets.costs.task_sizes import TaskSizes, task_of
from rtickets.data.images.augment import check_resize
from rtickets.data.settings import DataConfig
from rtickets.draw.settings import DrawConfig
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_settings import StudyConfig
from rtickets.tickets import provenance

_SMALL = 96  # pixels up to which a network is assumed to have the small stem


@dataclass(frozen=True)
class Setting:
    """What an estimate depends on besides the configuration.

    Attributes:
        model: the network of tickets; None assumes one that fits the size of images.
        task: the task that it was last trained on, None where it does not say.
        shape: (H, W, C) that it takes, or None for what its task has.
        devices: number of devices.
        removed: fraction of its prunable weights that the network of the ticket has lost.
    """

    model: ModelConfig | None = None
    task: DataConfig | None = field(default_factory=DataConfig)
    shape: tuple[int, int, int] | None = None
    devices: int = 1
    removed: float = 0.0

    def task_of(self, config: DataConfig | None) -> TaskSizes:
        """Return a task brought to the network's size, unless it names one itself.

        None is the task that the network was last trained on.
        """
        config = config or self.task or provenance.trained_on({})[0]
        task = task_of(config)
        if self.shape is None or config.image_size is not None:
            return task
        return task._replace(shape=self.shape)

    def model_for(self, task: TaskSizes | None) -> ModelConfig:
        """Return the network of tickets, or what is assumed where there is none."""
        if self.model is not None:
            return self.model
        large = task is not None and max(task.shape[:2]) > _SMALL
        return ModelConfig(stem="imagenet" if large else "small")

    def noted(self, found: Estimate, task: TaskSizes | None) -> Estimate:
        """Return an estimate that says which network it assumes, if it does."""
        if self.model is not None or task is None:
            return found
        model = self.model_for(task)
        note = f"no ticket given: a {model.arch} with the {model.stem} stem is assumed"
        return found._replace(about=(*found.about, note))


def estimate(config: object, setting: Setting) -> list[Estimate]:
    """Estimate what a configuration would take.

    Args:
        config: of a stage or a study.
        setting: the network and task of tickets, and the devices.

    Returns:
        One estimate per kind of run.

    Raises:
        InputError: if a batch does not fit its data, or data has to be read and cannot be.
    """
    if isinstance(config, PretrainConfig):
        name = f"pretrain, {config.train.objective.name}"
        check_resize(config.data)
        task = task_of(config.data)
        return [estimate_training(name, task, config.model, config.train, setting.devices)]
    if isinstance(config, TransferConfig):
        return [_transfer(config, setting, f"transfer, {config.mode}")]
    if isinstance(config, DrawConfig):
        drawn_on = setting.task_of(config.data) if _needs_data(config) else None
        drawn = estimate_draw(
            config, drawn_on, setting.model_for(drawn_on), setting.devices, removed=setting.removed
        )
        return [setting.noted(drawn, drawn_on)]
    if isinstance(config, EvaluateConfig):
        task = setting.task_of(config.data)
        judged = estimate_evaluation(config, task, setting.model_for(task), setting.devices)
        return [setting.noted(judged, task)]
    assert isinstance(config, StudyConfig)
    return list(_study(config, setting))


def _needs_data(config: DrawConfig) -> bool:
    return config.reads_task


def needs_logits(config: object) -> bool:
    """Return whether a stage runs its network under the head that it comes with."""
    if isinstance(config, DrawConfig):
        scored = config.how.make is not None
        return config.control == "reinitialised" or (config.method == "omp" and scored)
    return isinstance(config, EvaluateConfig)


def _transfer(config: TransferConfig, setting: Setting, name: str, times: int = 1) -> Estimate:
    trainable = "all" if config.mode == "finetune" else "head"
    task = setting.task_of(config.data)
    found = estimate_training(
        name, task, setting.model_for(task), config.train, setting.devices,
        trainable=trainable, times=times,
    )  # fmt: skip
    found = found._replace(about=(*found.about, f"moves {config.moves}"))
    return setting.noted(found, task)


def _study(config: StudyConfig, setting: Setting) -> Iterator[Estimate]:
    """Yield an estimate per kind of run, with how often it runs over seeds and objectives."""
    check_resize(config.pretrain.data)
    source, model, devices = task_of(config.pretrain.data), config.pretrain.model, setting.devices
    setting = replace(setting, model=model, task=config.pretrain.data, shape=source.shape)
    for label, objective in config.objectives.items():
        train = config_files.replace(config.pretrain.train, objective=objective)
        times = len(config.seeds)
        yield estimate_training(f"pretrain, {label}", source, model, train, devices, times=times)
    networks = len(config.seeds) * len(config.objectives)
    tickets = networks * (1 + sum(len(config.ladder(label)) for label in config.draws))
    for label, draw in config.draws.items():
        yield from _draws(label, draw, config.ladder(label), setting, networks)
    for label, transfer in config.transfers.items():
        yield _transfer(transfer, setting, f"transfer, {label}", tickets)
        task = setting.task_of(transfer.data)
        yield estimate_evaluation(config.evaluate, task, model, devices, tickets)
    yield estimate_evaluation(config.evaluate, source, model, devices, networks)


def _draws(
    label: str, draw: DrawConfig, ladder: tuple[float, ...], setting: Setting, networks: int
) -> Iterator[Estimate]:
    task = setting.task_of(draw.data) if _needs_data(draw) else None
    longest = max(ladder)  # longer chains of states reuse shorter ones
    chosen = (longest,) if draw.method == "imp" else ladder
    for sparsity in chosen if draw.train is not None else chosen[:1]:
        own = config_files.replace(draw, sparsity=sparsity)
        times = networks if draw.train is not None else networks * len(ladder)
        found = estimate_draw(own, task, setting.model_for(task), setting.devices, times)
        yield found._replace(name=f"{label}: {found.name}")
