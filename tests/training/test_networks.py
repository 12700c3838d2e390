"""Networks without normalisation statistics, and networks that draw, train like any other."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.data.images.augment import Transform
from rtickets.draw import draw_omp
from rtickets.models.drop import dropout, layer_keys
from rtickets.platform import parallel
from rtickets.training.loop import Loop


class Plain(nn.Module):
    """A layer of convolution and a head; dropout between them."""

    rate: float = 0.0

    @property
    def draws(self):
        return self.rate > 0

    @nn.compact
    def __call__(self, x, train=False, rngs=None):
        x = nn.relu(nn.Conv(4, (3, 3), name="stem")(x)).mean((1, 2))
        keys = layer_keys(rngs, 0) if train else None
        return nn.Dense(3, name="head")(dropout(x, keys, self.rate))


@pytest.fixture(params=[0.0, 0.5], ids=["plain", "drawing"])
def plain(tiny, request):
    model = Plain(request.param)
    params, state = models.initialise(model, jax.random.key(0), (8, 8, 1))
    assert state == {}
    return tiny._replace(model=model, params=params, batch_stats=state, mask=draw_omp(params, 0.5))


def test_a_network_is_evaluated_without_draws_and_state(plain):
    x = jnp.asarray(plain.split.images[:4], jnp.float32) / 255
    outputs, state = models.apply(plain.model, plain.params, {}, x)
    np.testing.assert_array_equal(outputs, plain.model.apply({"params": plain.params}, x))
    assert state == {}
    keys = jax.random.split(jax.random.key(1), 4)
    drawn, state = models.apply(plain.model, plain.params, {}, x, True, keys)
    assert bool((drawn != outputs).any()) is plain.model.draws
    assert state == {}
    np.testing.assert_array_equal(
        models.training_logits(plain.model, plain.params, {}, x)[0], outputs
    )


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}])
def test_devices_and_micro_batches_change_nothing(plain, options):
    one, losses = plain.steps(plain.program(), 3)
    more = plain.program(devices=parallel.local_devices(2), **options)
    other, found = plain.steps(more, 3)
    chex.assert_trees_all_close(other.params, one.params, atol=1e-5)
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    assert masks.sparsity(plain.mask) == pytest.approx(0.5)
    kernel, keep = one.params["stem"]["kernel"], plain.mask["stem"]["kernel"]
    assert (np.asarray(kernel)[~np.asarray(keep)] == 0).all()


def test_every_step_draws_anew(plain):
    program = plain.program(transform=Transform(), batch_size=48)
    _, losses = plain.steps(program, 3, rate=0.0)
    if plain.model.draws:
        assert len(set(losses)) == 3
    else:
        np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


class Killed(Exception):
    """What the test stops a run with."""


def test_a_killed_run_ends_bit_equal(plain, tmp_path):
    config = TrainConfig(
        optimizer=OptimizerConfig(learning_rate=0.05, schedule="constant"), duration="12it",
        batch_size=8,
    )  # fmt: skip
    program = plain.program(optimizer=config.optimizer, total_steps=12, steps_per_epoch=6)
    outcomes = []

    def killed(*_):
        raise Killed

    for folder, validations in (("whole", [None]), ("killed", [killed, None])):
        (tmp_path / folder).mkdir()
        for validate in validations:
            loop = Loop(
                program, config, plain.split, plain.mask, validate or (lambda *_: 0.5),
                tmp_path / folder, "test",
            )  # fmt: skip
            if validate:
                with pytest.raises(Killed):
                    loop.fit(plain.params, plain.batch_stats)
            else:
                outcomes.append(loop.fit(plain.params, plain.batch_stats))
    jax.tree.map(np.testing.assert_array_equal, outcomes[0].params, outcomes[1].params)
    assert outcomes[0].batch_stats == {}
