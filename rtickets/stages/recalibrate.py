"""The network of a ticket, and its normalisation statistics estimated anew as a part of a stage."""

from typing import Any

from rtickets import masks
from rtickets.costs.task_sizes import TaskSizes, cost_of
from rtickets.data.arrays import Dataset
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network
from rtickets.evaluation.recalibration import RecalibrateConfig, input_batches, recalibrated
from rtickets.models.settings import ModelConfig
from rtickets.platform import console
from rtickets.storage.checkpoint_contents import of_primary
from rtickets.tasks import Task
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket


def network_of(ticket: Ticket) -> Network:
    """Return the network of a ticket, under its mask.

    Raises:
        InputError: if its provenance describes none, or one without a head.
    """
    params = masks.apply(ticket.mask, ticket.params)
    return Network(provenance.build_model(ticket.meta), params, ticket.batch_stats)


def recalibrate(
    config: RecalibrateConfig | None,
    network: Network,
    task: Task,
    dataset: Dataset,
    transform: Transform,
) -> Any:
    """Return the normalisation statistics that a stage goes on with, the old ones without `config`.

    Every process estimates them on training examples, and takes those of the primary: training
    starts from the same.

    Raises:
        InputError: if the network has none, or there are too few examples.
    """
    if config is None:
        return network.batch_stats
    if not network.batch_stats:
        raise InputError(
            "recalibrate: the network has no normalisation statistics to estimate; leave it out"
        )
    console.say(f"normalisation statistics: {config.words}")
    found = recalibrated(network, input_batches(dataset.train, task, transform, config))
    return of_primary(found)


def recalibration_work(
    config: RecalibrateConfig | None, sizes: TaskSizes, model: ModelConfig
) -> float:
    """Return the floating point operations of it, for dry runs.

    Raises:
        InputError: if there are too few examples.
    """
    if config is None:
        return 0.0
    config.check(sizes.train)
    cost = cost_of(model, sizes)
    return config.count * cost.forward
