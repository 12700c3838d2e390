"""How strongly probabilities are pulled to the prior of a mask, and whether that can act at all."""

import math

from rtickets.masks.gates import Bernoulli
from rtickets.masks.gates.bernoulli import odds, reach, weight_to_reach
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.settings import config_files

_FAR_ENOUGH = 0.5  # of the way to the prior, in the end, of probabilities
_SOMEWHERE = 0.1  # of that way, as estimated before: data's gradients shrink on it
_HALF = 0.5  # of the way, by that estimate: the weight that 'auto' takes


def weighed(config: MaskConfig, sparsity: float, noise: float, size: int) -> Bernoulli:
    """Return the gate with the weight that `MaskConfig.pull` stands for.

    Args:
        noise: see `reach`.
        size: number of maskable weights.
    """
    gate, pull = config.gate, config.pull
    if pull is None:
        return gate
    if pull != "auto":
        return config_files.replace(gate, weight=pull / size)
    prior = prior_of(gate, sparsity)
    least = weight_to_reach(gate, prior, noise, config.steps, config.learning_rate)
    return config_files.replace(gate, weight=_HALF * least)


def prior_of(gate: Bernoulli, sparsity: float) -> float:
    """Return the probability that groups are pulled to; 'l1' has none, and none is far away."""
    if gate.pull == "l1":
        return 1e-6
    return 1 - sparsity if gate.prior is None else gate.prior


def warnings_before(
    gate: Bernoulli, config: MaskConfig, sparsity: float, noise: float
) -> list[str]:
    """Say where the prior can hardly act within the steps; `noise` as in `weighed`."""
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, sparsity)
    part = reach(gate, prior, noise, config.steps, config.learning_rate)
    if part >= _SOMEWHERE:
        return []
    return [
        f"the prior {prior:g} can hardly act: in {config.steps} steps at a learning rate of "
        f"{config.learning_rate:g} a weight of {gate.weight:.3g} per group moves log odds about "
        f"{part:.0%} of the way from {gate.start:g} to {odds(prior):.2f}; raise pull, the learning "
        "rate or the number of steps"
    ]


def warnings_after(gate: Bernoulli, config: MaskConfig, sparsity: float, mean: float) -> list[str]:
    """Say where the prior was not reached; `mean` is that of the probabilities in the end."""
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, sparsity)
    start = 1 / (1 + math.exp(-gate.start))
    if abs(mean - prior) <= (1 - _FAR_ENOUGH) * abs(start - prior):
        return []
    return [
        f"the prior {prior:g} was not reached: probabilities are {mean:.3g} in the mean after "
        f"{config.steps} steps, from {start:g}; raise pull or the number of steps"
    ]
