"""What a search cannot reach, found before it trains: by its sizes alone, where these are known."""

import math
from typing import NamedTuple

import numpy as np
from flax.traverse_util import unflatten_dict

from rtickets import masks, models
from rtickets.costs.task_sizes import TaskSizes, sizes_of
from rtickets.data import source_of
from rtickets.draw.searching import channels
from rtickets.draw.searching.settings import check_budget, check_early, check_length, events_in
from rtickets.masks import DEFAULT_PRUNABLE, Params
from rtickets.models.inputs import Inputs
from rtickets.models.supernet import Supernet
from rtickets.settings.kinds import to_steps
from rtickets.stages.search_settings import SearchConfig
from rtickets.tickets.multiply_adds import shapes_and_places
from rtickets.training.batches import steps_per_epoch


class NetworkCosts(NamedTuple):
    """Multiply-adds of a supernet.

    Attributes:
        total: of all of it.
        by_channel: of a channel of every path.
        least: without any searchable channel.
        shapes: its parameters, empty arrays of their shapes.
    """

    total: int
    by_channel: dict[str, int]
    least: int
    shapes: Params


def costs_of(model: models.Model, inputs: Inputs) -> NetworkCosts:
    """Return the multiply-adds of a supernet.

    Raises:
        InputError: if it has no searchable blocks.
    """
    shapes, places = shapes_and_places(model, inputs)
    total = sum(places[path] * math.prod(shapes[path]) for path in places)
    empty = unflatten_dict({path: np.empty(shape) for path, shape in shapes.items()}, sep="/")
    found = channels.costs_per_channel(empty, places)
    least = total - sum(n * shapes[path][0] for path, n in found.items())
    return NetworkCosts(total, found, least, empty)


def periods_of(config: SearchConfig, steps: int) -> tuple[int, int]:
    """Return the steps between search events and between prune events, of so many an epoch."""
    own = config.searching
    return to_steps(own.search_every, steps), to_steps(own.prune_every, steps)


def check_events(config: SearchConfig, steps: int) -> int:
    """Return the step of `early`, 0 for none.

    Args:
        steps: in an epoch.

    Raises:
        InputError: for a staircase that ends below its sparsity, or an early step that is none.
    """
    own, duration = config.searching, config.train.duration
    check_length(own, duration, events_in(duration, own.prune_every, steps) or 0)
    return check_early(own, duration, periods_of(config, steps), steps)


def check_network(config: SearchConfig, sizes: TaskSizes) -> None:
    """Refuse a network without searchable blocks, and what it cannot come down to or has not.

    Raises:
        InputError: for a budget below what is not searched, and expressions that match no leaf.
    """
    own = config.searching
    usual = own.budget is None and (own.prunable, own.exclude) == (DEFAULT_PRUNABLE, None)
    model = models.from_config(config.model, sizes.outputs, make_head=sizes.head)
    if usual and isinstance(model, Supernet):
        return  # it has some, and to count them takes seconds
    found = costs_of(model, sizes.inputs)
    masks.select(found.shapes, own.prunable, own.exclude)
    check_budget(own, found.least)


def check_known(config: SearchConfig) -> None:
    """Refuse what cannot be reached, of data whose sizes are known without reading them.

    A folder of one's own may have others than the set whose layout it has; it is read first.

    Raises:
        InputError: see `check_events` and `check_network`.
    """
    facts = source_of(config.data).facts
    if facts is None or (config.data.path is not None and not facts.composed):
        return
    sizes = sizes_of(config.data)
    check_events(config, steps_per_epoch(sizes.train, config.train.batch_size))
    check_network(config, sizes)
