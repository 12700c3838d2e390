"""What an estimate depends on besides the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rtickets.costs.runs import Estimate
from rtickets.costs.task_sizes import TaskSizes, sizes_of
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.models.inputs import Inputs
from rtickets.models.settings import ModelConfig
from rtickets.runs.folders import StartingTicket
from rtickets.settings import config_files
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket

_SMALL = 96  # pixels up to which a network is assumed to have the small stem


@dataclass(frozen=True)
class Setting:
    """The network, the task and the devices that a configuration leaves open.

    Attributes:
        model: the network of tickets; None assumes one that fits the size of images.
        task: the task that it was last trained on, None where it does not say.
        inputs: what it takes, or None for what its task has.
        devices: number of devices.
        source: the ticket that a stage starts from, None where none is given.
        meta: its provenance.
    """

    model: ModelConfig | None = None
    task: DataConfig | None = field(default_factory=DataConfig)
    inputs: Inputs | None = None
    devices: int = 1
    source: StartingTicket | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of_ticket(source: StartingTicket, devices: int) -> "Setting":
        """Return the setting of a stage that starts from a ticket."""
        meta = Ticket.load(source.ticket).meta
        model = config_files.parse(ModelConfig, meta["model"])
        task = provenance.trained_on(meta)[0] if "task" in meta else None
        return Setting(model, task, provenance.inputs_of(meta), devices, source, meta)

    def check_head(self) -> None:
        """Raise InputError where a network that runs under its own head has none."""
        if self.source is not None:
            provenance.check_head(self.meta)

    def task_of(self, config: DataConfig | None) -> TaskSizes:
        """Return a task brought to the network's size, unless it names one itself.

        None is the task that the network was last trained on.
        """
        config = config or self.task or provenance.trained_on({})[0]
        network = self.inputs[0].shape if self.inputs and config.image_size is None else ()
        task = sizes_of(config, network if len(network) == 3 else None)
        if self.inputs is None or config.image_size is not None or len(network) != 3:
            return task  # also texts, which are as long as the data have them
        return task._replace(inputs=self.inputs)

    def model_for(self, task: TaskSizes | None) -> ModelConfig:
        """Return the network of tickets, or what is assumed where there is none.

        Raises:
            InputError: where there is none, and the task is not about images.
        """
        if self.model is not None:
            return self.model
        if task is not None and len(task.shape) != 3:
            takes = ", ".join(map(str, task.inputs))
            raise InputError(
                f"no ticket is given, and which network would take {takes} of {task.name} cannot "
                "be assumed; give --config.ticket"
            )
        large = task is not None and max(task.shape[:2]) > _SMALL
        return ModelConfig(stem="imagenet" if large else "small")

    def noted(self, found: Estimate, task: TaskSizes | None) -> Estimate:
        """Return an estimate that says which network it assumes, if it does."""
        if self.model is not None or task is None:
            return found
        model = self.model_for(task)
        note = f"no ticket given: a {model.arch} with the {model.stem} stem is assumed"
        return found._replace(about=(*found.about, note))
