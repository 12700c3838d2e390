"""Work counted in forward passes.

A backward pass to the weights takes two of them, one to the images alone takes one.
"""

from rtickets.attacks.ensemble.from_settings import members_of
from rtickets.attacks.expectation import number_of_turns
from rtickets.attacks.settings import IMAGE_GRADIENT, AttackConfig
from rtickets.training.objectives import ObjectiveConfig

WEIGHT_GRADIENT = 3  # forward passes, with that of the loss
_RANDOM_STEP = IMAGE_GRADIENT + 1  # of a random network the best image so far is evaluated as well


def passes_per_step(objective: ObjectiveConfig, trainable: str = "all", head: float = 0.0) -> float:
    """Return how many forward passes a training step takes per image.

    They are those of the loss and its gradient to 'all' weights or the 'head', and of the inner
    maximisation.

    Args:
        head: the part of a forward pass that is the head's, where that alone is trained.
    """
    part = 1.0 if trainable == "all" else head
    return objective.passes_per_step(1 + (WEIGHT_GRADIENT - 1) * part)


def passes_of_attack(config: AttackConfig, classes: int) -> float:
    """Return at most how many forward passes an attack takes per image, over all its radii.

    Args:
        classes: of the task; untargeted FAB takes the gradients of all logits.
    """
    radii, members = len({config.eps, *config.radii}), members_of(config, config.eps)
    runs = [(each, each.restarts * (each.num_targets or 1)) for each in members]
    if not config.input_noise:
        passes = [m.own.passes_per_step(classes) * m.num_steps * times for m, times in runs]
        return radii * sum(passes)
    times = sum(times for _, times in runs)
    steps = sum(member.num_steps * times for member, times in runs)
    rated = (2 * times + 1) * number_of_turns(config.samples)  # what each run compares, the result
    return float(radii * config.samples * (_RANDOM_STEP * steps + rated))
