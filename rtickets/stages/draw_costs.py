"""What drawing a ticket takes."""

from rtickets.attacks.settings import IMAGE_GRADIENT
from rtickets.costs import Estimate
from rtickets.costs.network_costs import NetworkCost
from rtickets.costs.runs import estimate_training, memory_of, network_line
from rtickets.costs.task_sizes import TaskSizes, cost_of
from rtickets.models.settings import ModelConfig
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.recalibrate import recalibration_work


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
    name = f"draw, {config.method.name}, sparsity {config.drawn_sparsity:g}"
    if task is None:
        return Estimate(f"draw, {config.method.name}", times, ("no data, no training",), 0.0, {})
    if config.attack is not None:
        config.attack.check_lengths("attack", task.shape)
    if config.train is None:
        cost = cost_of(model, task)
        operations = recalibration_work(config.recalibrate, task, model)
        about = [network_line(task, model, cost)]
        if config.how.from_data:
            attacked = IMAGE_GRADIENT * config.attack.training_evaluations if config.attack else 0
            rounds, images = config.num_rounds, config.examples
            operations += cost.forward * images * rounds * (config.how.passes + attacked)
            about.append(f"{config.criterion} in {rounds} rounds on {images} images")
        if config.recalibrate is not None:
            about.append(f"normalisation statistics on {config.recalibrate.words}")
        operations += _of_check(config, cost)
        about += _words_of_check(config)
        memory = memory_of(cost, task._replace(stored=0), config.batch_size, 1)
        return Estimate(name, times, tuple(about), operations, memory)
    states = config.method.states(config.drawn_sparsity, removed)
    if config.method.in_states:
        name += f", each of {states} states"
    train = config.method.schedule(config.train)
    found = estimate_training(name, task, model, train, devices, times=times * states)
    return found._replace(
        about=(*found.about, *_words_of_check(config)),
        operations=found.operations + _of_check(config, cost_of(model, task)),
    )


def _of_check(config: DrawConfig, cost: NetworkCost) -> float:
    """Return the operations of looking whether a ticket is broken."""
    if config.check is None:
        return 0.0
    return cost.forward * (3 * config.check.examples + config.check.count)


def _words_of_check(config: DrawConfig) -> tuple[str, ...]:
    return () if config.check is None else (f"checked on {config.check.examples} images",)
