"""What drawing a ticket takes."""

from rtickets.attacks.settings import IMAGE_GRADIENT
from rtickets.costs import Estimate
from rtickets.costs.network_costs import network_cost
from rtickets.costs.runs import describe, estimate_training, memory_of
from rtickets.costs.task_sizes import TaskSizes
from rtickets.draw.ladder import states_to
from rtickets.draw.settings import DrawConfig
from rtickets.models.settings import ModelConfig


def estimate_draw(
    config: DrawConfig,
    task: TaskSizes | None,
    model: ModelConfig,
    devices: int,
    times: int = 1,
    removed: float = 0.0,
) -> Estimate:
    """Estimate the drawing of a ticket; of iterative pruning, that of one of its states.

    Args:
        task: the data it trains or scores on, or None if it needs none.
        times: how often a study runs it.
        removed: fraction of the prunable weights that the network has lost.

    Raises:
        InputError: as `estimate_training`.
    """
    name = f"draw, {config.method}, sparsity {config.drawn_sparsity:g}"
    if task is None:
        return Estimate(f"draw, {config.method}", times, ("no data, no training",), 0.0, {})
    if config.attack is not None:
        config.attack.check_lengths("attack", task.shape)
    if config.train is None:
        cost = network_cost(model, task.outputs, task.shape)
        attacked = IMAGE_GRADIENT * config.attack.training_evaluations if config.attack else 0
        passes = config.how.passes + attacked
        about = f"{config.criterion} in {config.num_rounds} rounds on {config.examples} images"
        operations = cost.forward * config.examples * config.num_rounds * passes
        memory = memory_of(cost, task._replace(stored=0), config.batch_size, 1)
        return Estimate(name, times, (describe(task, model, cost), about), operations, memory)
    states = 1
    if config.method == "imp":
        imp = config.imp
        states = len(states_to(config.drawn_sparsity, imp.rate, imp.of, removed))
        name += f", each of {states} states"
    return estimate_training(name, task, model, config.train, devices, times=times * states)
