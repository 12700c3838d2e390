"""Signs that a network is broken, found by running it: its score against chance, dead outputs.

What the mask alone tells is in `rtickets.tickets.broken`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rtickets import evaluation
from rtickets.data.arrays import Dataset
from rtickets.data.images.augment import Transform
from rtickets.evaluation import Network
from rtickets.evaluation.clean import measure_clean
from rtickets.evaluation.constant_outputs import Outputs, constant_outputs
from rtickets.evaluation.recalibration import (
    RecalibrateConfig,
    input_batches,
    prepare_inputs,
    recalibrated,
)
from rtickets.evaluation.subject import spread
from rtickets.platform import parallel
from rtickets.stages.draw_settings import CheckConfig
from rtickets.stages.recalibrate import network_of
from rtickets.storage.checkpoint_contents import of_primary
from rtickets.tasks import Headline, Task
from rtickets.tickets import provenance
from rtickets.tickets.asked import asked_again
from rtickets.tickets.broken import named, worst_first
from rtickets.tickets.ticket import Ticket

_PART = 128  # images in a batch whose outputs are looked at
Value = Mapping[str, Any]


class Checked(NamedTuple):
    """What was found of a drawn ticket.

    Attributes:
        found: for the draw's result.
        signs: that it is broken, a line each.
    """

    found: dict[str, Any]
    signs: list[str]


def at_chance(headline: Headline, found: Value) -> bool:
    """Whether the interval of a headline holds its `chance` or worse; False where that is unknown.

    Args:
        headline: what the value is.
        found: the value, of `rtickets.evaluation.clean`.
    """
    if found.get("chance") is None:
        return False
    worst = min(headline.score(found["low"]), headline.score(found["high"]))
    return worst <= headline.score(found["chance"])


def chance_signs(
    headline: Headline, found: Value, anew: Value | None, how: RecalibrateConfig | None
) -> list[str]:
    """Say that a network is no better than chance, where that is so.

    Args:
        headline: what the values are.
        found: the value of the network as it is.
        anew: that with normalisation statistics estimated anew; None where there are none.
        how: how these were estimated.

    Returns:
        A line, or none.
    """
    if not at_chance(headline, found):
        return []
    ends = ", ".join(headline.say(found[end]) for end in ("low", "high"))
    line = (
        f"{headline.called} is {headline.say(found['value'])} [{ends}], not better than chance, "
        f"{headline.say(found['chance'])}"
    )
    if anew is None or how is None:
        return [f"{line}; it has no other normalisation statistics to be tried with"]
    again = f"with normalisation statistics estimated anew on {how.words}"
    # A value inside of the other's interval is the same value: statistics are not to blame for it.
    best = max(headline.score(found["low"]), headline.score(found["high"]))
    if at_chance(headline, anew) or headline.score(anew["value"]) <= best:
        return [
            f"{line}, nor is it clearly better {again}: {headline.say(anew['value'])}; the network "
            "is broken"
        ]
    return [
        f"{line}, but it is {headline.say(anew['value'])} {again}: those that it has are not of "
        "the weights it has; recalibrate it"
    ]


def signs_of_evaluation(
    result: Mapping[str, Any],
    network: Network,
    examples: evaluation.Examples,
    dataset: Dataset,
    batch_size: int,
) -> list[str]:
    """Say that a network that was evaluated is at chance, before and after recalibration.

    Args:
        result: of the evaluation.
        network: what was evaluated.
        examples: on what.
        dataset: whose training images statistics are estimated on.
        batch_size: images per call.
    """
    headline = Headline(**result["headline"])
    if not at_chance(headline, result["clean"]):
        return []
    anew, how = _recalibrated(network, examples.task, dataset, examples.transform)
    value = None if anew is None else _value(anew, examples, batch_size)
    return chance_signs(headline, result["clean"], value, how)


def check_of(
    config: CheckConfig | None, devices: parallel.Devices
) -> Callable[[Ticket], Checked] | None:
    """Return what checks a drawn ticket as its configuration asks, None where it does not."""
    return None if config is None else partial(check_ticket, config, devices)


def check_ticket(config: CheckConfig, devices: parallel.Devices, ticket: Ticket) -> Checked:
    """Run a drawn ticket on validation images of the task that its head is for.

    Returns:
        `value`, the headline with its interval and chance; `recalibrated`, the same with statistics
        estimated anew, where there are any; `constant_outputs` of how many `outputs`; and lines on
        what is broken.

    Raises:
        InputError: if the ticket has no head, or its data cannot be loaded.
    """
    asks = asked_again(ticket.meta, None, seed=0)
    transform = provenance.fitting_transform(asks.config, ticket.meta).left_to_do(asks.dataset)
    network, held_out = network_of(ticket), asks.dataset.validation
    few = held_out.take(spread(len(held_out), config.examples))
    examples = evaluation.on_devices(few, transform, devices, asks.task)
    value = _value(network, examples, config.batch_size)
    anew, how = _recalibrated(network, asks.task, asks.dataset, transform, config)
    again = None if anew is None else _value(anew, examples, config.batch_size)
    parts = np.array_split(np.arange(len(few)), -(-len(few) // _PART))
    prepare = prepare_inputs(asks.task, transform)
    outputs = constant_outputs(network, (prepare(few.take(part).decoded()) for part in parts))
    signs = chance_signs(asks.task.headline, value, again, how) + constant_signs(outputs)
    found = {
        "value": value,
        **({} if again is None else {"recalibrated": again}),
        "constant_outputs": sum(each.constant for each in outputs),
        "outputs": sum(each.total for each in outputs),
    }
    return Checked(found, signs)


def constant_signs(outputs: Sequence[Outputs]) -> list[str]:
    """Say which layers mostly answer the same to every image, a line or none."""
    many = worst_first(outputs)
    if not many:
        return []
    shown = [f"{each.path} ({each.constant:,} of {each.total:,})" for each in many]
    return [f"outputs that are the same for every image: {named(shown)}"]


def _recalibrated(
    network: Network,
    task: Task,
    dataset: Dataset,
    transform: Transform,
    config: RecalibrateConfig | None = None,
) -> tuple[Network | None, RecalibrateConfig | None]:
    """Return the network with statistics estimated anew, as far as there are images for it."""
    if not network.batch_stats:
        return None, None
    how = (config or RecalibrateConfig()).at_most(len(dataset.train))
    stats = of_primary(recalibrated(network, input_batches(dataset.train, task, transform, how)))
    return network._replace(batch_stats=stats), how


def _value(network: Network, examples: evaluation.Examples, batch_size: int) -> dict[str, Any]:
    return measure_clean(network, examples, batch_size=batch_size).value
