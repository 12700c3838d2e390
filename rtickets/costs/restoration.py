"""What comparisons of ways to restore pictures take."""

from collections import Counter

import jax
import jax.numpy as jnp

from rtickets.costs.runs import Estimate
from rtickets.draw.ladder import states_to
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.fits import FitConfig
from rtickets.restoration.generators import GeneratorConfig, network_of
from rtickets.restoration.study import cells_of
from rtickets.restoration.study_settings import RestorationStudyConfig

_COLOURS = 3  # pictures may be grey; a network's costs differ little
_STEP = 3  # forward passes' worth of work of a step, and of a gradient
_FLOAT = 4


def estimate_restorations(config: RestorationStudyConfig) -> list[Estimate]:
    """Estimate the cells of a study, those of a method together; no picture is read.

    Raises:
        InputError: for a deep decoder too deep for the pictures.
    """
    shape = (config.size, config.size, _COLOURS)
    found = []
    for method, times in Counter(cell.method for cell in cells_of(config)).items():
        own = config.decoder if method == "decoder" else config.generator
        weights, forward = _network_cost(own, shape)
        rounds = 1
        if method == "imp":  # goes down one ladder through all sparsities
            rounds, times = _rounds(config), times // len(config.sparsities)
        operations = rounds * _fit(config.training, forward)
        about = [f"{config.training.steps:,} steps" + f", {rounds} times" * (rounds > 1)]
        if method == "learnt":
            operations += _STEP * config.mask.steps * forward
            about.append(f"a mask learnt in {config.mask.steps:,} steps before")
        network = f"{own.arch}, {weights:,} weights, {forward:.3g} FLOP a picture of {shape}"
        memory = {"weights and optimiser": 4.0 * _FLOAT * weights}
        found.append(Estimate(method, times, (network, *about), operations, memory))
    return found


def _rounds(config: RestorationStudyConfig) -> int:
    reached, count = 0.0, 1
    for goal in sorted(config.sparsities):
        count += len(states_to(goal, config.imp_rate, "survivors", reached))
        reached = goal
    return count


def _fit(training: FitConfig, forward: float) -> float:
    return (_STEP * training.steps + training.steps / training.every) * forward


def _network_cost(config: GeneratorConfig, shape: tuple[int, int, int]) -> tuple[int, float]:
    """Return the number of weights, and the operations of a picture, from shapes alone."""
    model, sides = network_of(config, shape)
    noise = jax.ShapeDtypeStruct((1, *sides), jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), noise)["params"]
    painted = jax.jit(lambda params, noise: paint(model, params, noise, shape[:2]))
    counted = painted.lower(params, noise).cost_analysis() or {}
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    return weights, float(counted.get("flops", 0.0))
