"""Learning rate schedules, as multipliers of the peak rate."""

import optax

from rtickets.settings.kinds import to_steps
from rtickets.training.optimizers import OptimizerConfig


def multiplier(config: OptimizerConfig, total_steps: int, steps_per_epoch: int) -> optax.Schedule:
    """Return the schedule of a run.

    Returns:
        A function from the step (from 0) to a multiplier in [0, 1]: a linear rise over the warm-up,
        then the schedule, measured from the end of the warm-up for 'cosine' and 'polynomial', and
        from the start of the run for the others.
    """
    warmup = to_steps(config.warmup, steps_per_epoch)
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(1.0, max(total_steps - warmup, 1))
    elif config.schedule == "polynomial":
        after = optax.polynomial_schedule(1.0, 0.0, config.power, max(total_steps - warmup, 1))
    elif config.schedule == "multistep":
        milestones = [to_steps(m, steps_per_epoch) - warmup for m in config.milestones]
        after = optax.piecewise_constant_schedule(
            1.0, dict.fromkeys(milestones, config.decay_factor)
        )
    elif config.schedule == "exponential":
        every = to_steps(config.milestones[0], steps_per_epoch)
        begins = config.decay_factor ** (warmup / every)
        after = optax.exponential_decay(begins, every, config.decay_factor)
    elif config.schedule == "onecycle":
        after = optax.cosine_onecycle_schedule(total_steps, 1.0)
    else:
        after = optax.constant_schedule(1.0)
    if not warmup:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, 1.0, warmup), after], [warmup])
