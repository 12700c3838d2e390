"""A few examples learnt by heart, as a network does where loss and answers fit each other."""

import jax
import optax

from rtickets import models


def learn(network, loss_of, examples, *, steps, learning_rate):
    """Train on images with what goes with them, and return parameters, statistics and answers.

    Args:
        loss_of: (answers, examples) -> the losses of the examples.
        examples: arrays of a batch, by name.
        steps: of Adam.
    """
    params, state = models.initialise(network, jax.random.key(0), examples["image"].shape[1:])
    optimizer = optax.adam(learning_rate)

    def loss(params, state):
        outputs, state = models.apply(network, params, state, examples["image"], True)
        return loss_of(outputs, examples).mean(), (outputs, state)

    @jax.jit
    def step(params, state, moments):
        gradient, (_, state) = jax.grad(loss, has_aux=True)(params, state)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(params, updates), state, moments

    moments = optimizer.init(params)
    for _ in range(steps):
        params, state, moments = step(params, state, moments)
    return params, state, loss(params, state)[1][0]
