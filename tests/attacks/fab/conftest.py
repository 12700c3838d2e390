"""Models on which the nearest boundary is known."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from rtickets.attacks.fab import Fab
from rtickets.attacks.search import Job, run

SHAPE = (4, 4, 1)
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


def linear(weights, x):
    return (x.reshape(len(x), -1) - 0.5) @ weights


def mlp(weights, x):
    first, second = weights
    return jax.nn.relu((x.reshape(len(x), -1) - 0.5) @ first - 0.1) @ second


def normal(shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def linear_model(num_classes=2, shape=SHAPE):
    return Partial(linear, normal((int(np.prod(shape)), num_classes)))


def mlp_model(num_classes=4, shape=SHAPE):
    return Partial(mlp, (normal((int(np.prod(shape)), 12)), normal((12, num_classes), 1)))


def images(batch, low=0.3, high=0.7, shape=SHAPE):
    return jax.random.uniform(jax.random.key(9), (batch, *shape), minval=low, maxval=high)


def make_job(logits_fn, x, eps=10.0):
    """Labels are the predictions and targets the second likely classes."""
    order = jnp.argsort(logits_fn(x), axis=-1).astype(jnp.int32)
    keys = jax.random.split(jax.random.key(3), len(x))
    eps = jnp.broadcast_to(jnp.asarray(eps, jnp.float32), len(x))
    return Job(x, order[:, -1], order[:, -2], keys, eps)


def attack(logits_fn, job, norm="l2", steps=8, targeted=True, random_start=False):
    classes = logits_fn(job.x).shape[-1]
    job = job._replace(random_start=jnp.full(len(job.y), random_start))
    return run(Fab(norm, steps, targeted, classes), logits_fn, job)


def size(delta, norm):
    flat = np.abs(np.asarray(delta, np.float64)).reshape(len(delta), -1)
    return {"linf": flat.max(-1), "l2": np.sqrt((flat**2).sum(-1)), "l1": flat.sum(-1)}[norm]


def assert_honest(state, job, logits_fn, norm):
    """Check that x_adv is exactly in ball and range and decides as claimed, alone and together."""
    x_adv, x = np.asarray(state.x_adv), np.asarray(job.x)
    assert x_adv.dtype == np.float32
    assert ((x_adv >= 0) & (x_adv <= 1)).all()
    assert (size(x_adv.astype(np.float64) - x, norm) <= np.asarray(job.eps, np.float64)).all()
    alone = jnp.concatenate([logits_fn(image[None]) for image in state.x_adv])
    for logits in (alone, logits_fn(state.x_adv)):
        np.testing.assert_array_equal(logits.argmax(-1) != job.y, state.fooled)
    np.testing.assert_array_equal(x_adv[~state.fooled], x[~state.fooled])


def closed_form(weights, job, norm):
    """Distances (B, classes) to the boundaries of a linear model, in float64, without a box."""
    w, rows = np.asarray(weights, np.float64), np.arange(len(job.y))
    logits = linear(w, np.asarray(job.x, np.float64))
    margins = logits[rows, job.y][:, None] - logits
    slopes = np.linalg.norm(w[:, :, None] - w[:, None, job.y], DUAL[norm], axis=0).T
    return np.where(slopes > 0, margins / np.maximum(slopes, 1e-9), np.inf)
