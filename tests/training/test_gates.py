"""What a step does with a learned mask whose gate draws and has a penalty."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic.dataclasses import dataclass as settings

from rtickets import masks
from rtickets.config import OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.masks.gates import SCORES, GateConfig, LearnedMask, initial_scores
from rtickets.platform import parallel


@dataclass(frozen=True)
class Bernoulli:
    """Every group lives with the probability of its score; the penalty is their sum."""

    amount: float

    def initial(self, weights, key):
        return {name: jnp.full(leaf.shape, 0.5) for name, leaf in weights.items()}

    def gate(self, scores, key):
        def draw(index, score):
            lives = jax.random.bernoulli(jax.random.fold_in(key, index), 0.5, score.shape)
            return lives + score - jax.lax.stop_gradient(score)

        return {name: draw(index, score) for index, (name, score) in enumerate(scores.items())}

    def penalty(self, scores):
        return self.amount * sum(jnp.sum(score) for score in scores.values())

    def mask(self, scores):
        return {name: score > 0 for name, score in scores.items()}

    def ranked(self, scores):
        return dict(scores)


@settings(frozen=True)
class BernoulliSettings(GateConfig):
    name: Literal["bernoulli"] = "bernoulli"
    amount: float = 0.0

    def on(self, layers):
        return Bernoulli(self.amount)


@pytest.fixture
def steps(small):
    def run(count, amount=0.0, rate=0.0, devices=1, accumulate=1):
        learned = LearnedMask(0.5, gate=BernoulliSettings(amount=amount))
        scores = initial_scores(learned, small.params, jax.random.key(0))
        own = small._replace(
            params={**small.params, SCORES: scores},
            mask={**masks.full(small.params), SCORES: jax.tree.map(lambda _: True, scores)},
        )
        program = own.program(
            optimizer=OptimizerConfig(learning_rate=0.0, weight_decay=0.0, momentum=0.0),
            learned_mask=learned, trainable="scores", statistics="frozen", transform=Transform(),
            devices=parallel.local_devices(devices), accumulate=accumulate,
        )  # fmt: skip
        state, losses = own.steps(program, count, rate=rate)
        return state.params[SCORES], np.asarray(losses)

    return run


def test_the_penalty_is_added_to_the_loss_and_moves_the_scores(steps):
    plain, losses = steps(1, rate=0.1)
    groups = sum(leaf.size for leaf in plain.values())
    for options in ({}, {"accumulate": 2}, {"devices": 2}):
        moved, more = steps(1, amount=0.01, rate=0.1, **options)
        np.testing.assert_allclose(more - losses, 0.01 * 0.5 * groups, rtol=1e-3)
        for name in plain:
            np.testing.assert_allclose(plain[name] - moved[name], 0.1 * 0.01, atol=2e-5)


def test_what_is_drawn_differs_from_step_to_step_and_is_the_same_on_all_devices(steps):
    _, first = steps(4)
    assert len(set(np.round(first, 5))) == 4
    for options in ({"accumulate": 2}, {"devices": 2}):
        np.testing.assert_allclose(steps(4, **options)[1], first, rtol=1e-4)
