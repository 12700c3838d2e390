"""What an objective carries: a queue that all devices share, beside what belongs to examples."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets import models, training
from rtickets.config import OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel
from rtickets.training.objectives import Carry, Objective, ObjectiveConfig
from rtickets.training.objectives.base import CARRIED, on_perturbed, unperturbed


@dataclass(frozen=True)
class Queue(ObjectiveConfig):
    """The loss, plus the mean of the last answers; every position counts its examples."""

    name: Literal["queue"] = "queue"
    length: int = 12

    def make(self, task):
        plain = on_perturbed(task)

        def start(batch_size, shape):
            return {"queue": jnp.zeros((self.length, 3)), "seen": jnp.zeros(batch_size, jnp.int32)}

        def follow(carried, outputs, batch, gather):
            queue = jnp.concatenate([carried["queue"], gather(outputs)])[-self.length :]
            return {"queue": queue, "seen": carried["seen"] + 1}

        def loss(train_fn, batch, inputs, reduce):
            losses, outputs, stats = plain(train_fn, batch, inputs, reduce)
            assert batch[CARRIED]["seen"].shape == losses.shape
            return losses + batch[CARRIED]["queue"].sum(), outputs, stats

        shared = {"queue": True, "seen": False}
        return Objective(unperturbed(task), loss, carry=Carry(start, shared=shared, follow=follow))


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_queue_holds_the_last_answers_on_any_number_of_devices(small, devices, accumulate):
    program = small.program(
        objective=Queue(), transform=Transform(), input_shape=(8, 8, 1), statistics="frozen",
        optimizer=OptimizerConfig(learning_rate=0.0), accumulate=accumulate,
        devices=parallel.local_devices(devices),
    )  # fmt: skip
    state, losses = small.steps(program, 2, rate=0.0)
    start = training.init_state(program, small.params, small.batch_stats, small.mask)
    assert jax.tree.map(np.shape, start.carry) == {"queue": (12, 3), "seen": (8,)}
    answers = []
    for step in range(2):  # the batches of the fixture
        chosen = (np.arange(8) + 7 * step) % len(small.split)
        x = small.split.images[chosen] / np.float32(255)
        answers.append(models.logits(small.model, start.params, small.batch_stats, x))
    expected = np.concatenate(answers)[-12:]
    np.testing.assert_allclose(state.carry["queue"], expected, atol=1e-5)
    np.testing.assert_array_equal(state.carry["seen"], 2)
    _, before = small.steps(
        small.program(
            transform=Transform(), statistics="frozen", optimizer=OptimizerConfig(learning_rate=0.0)
        ),
        2,
        rate=0.0,
    )
    assert np.abs(np.asarray(losses) - before)[1] > 1e-3  # the loss has seen the queue
