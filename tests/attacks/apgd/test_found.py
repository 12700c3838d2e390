"""What APGD finds, by the steps of the published algorithm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import apgd_ce, apgd_dlr, apgd_t
from rtickets.attacks.apgd import Apgd
from rtickets.attacks.functions import targets_by_logit
from rtickets.attacks.search import Job, begin_search
from tests.attacks.apgd.conftest import KEY, model_of


def largest_gains(weights, x, y, eps, norm):
    """Return by how much every class can gain on the label at most, (B, classes), in float64.

    For 'l2' the box must not matter.
    """
    x, slope = np.asarray(x, np.float64).reshape(len(x), 1, -1), np.asarray(weights, np.float64).T
    slope = slope[None] - slope[np.asarray(y)][:, None]  # (B, classes, pixels)
    room = np.where(slope > 0, 1 - x, x)
    if norm == "linf":
        return (np.abs(slope) * np.minimum(eps, room)).sum(-1)
    if norm == "l2":
        return eps * np.sqrt((slope**2).sum(-1))
    order = np.argsort(-np.abs(slope), -1)
    steep, room = (np.take_along_axis(a, order, -1) for a in (np.abs(slope), room))
    return (steep * np.diff(np.minimum(np.cumsum(room, -1), eps), prepend=0)).sum(-1)


@pytest.mark.parametrize(
    ("attack", "norm", "eps"),
    [(apgd_ce, "linf", 0.4), (apgd_dlr, "l2", 0.2), (apgd_ce, "l1", 3.0)],
)
def test_reaches_the_optimum_of_a_linear_model(attack, norm, eps):
    """Also with the box in the way, but for 'l2'."""
    shape = (8, 8, 1)
    model, y = model_of(2, shape), jnp.arange(8) % 2
    x = jax.random.uniform(KEY, (8, *shape), minval=0.3 * (norm == "l2"), maxval=0.9)
    x_adv = attack(model, x, y, KEY, eps=eps, norm=norm)
    gained = model(x_adv) - model(x)
    gained = np.asarray(gained - jnp.take_along_axis(gained, y[:, None], 1)).max(-1)
    best = largest_gains(model.args[0], x, y, eps, norm).max(-1)
    np.testing.assert_allclose(gained, best, rtol=1e-5)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.02), ("l2", 0.15)])
def test_targets_find_every_example_of_a_linear_model_that_can_be_fooled(norm, eps):
    shape = (6, 6, 1)
    model = model_of(6, shape)
    x = jax.random.uniform(KEY, (64, *shape), minval=0.2, maxval=0.8)
    y = model(x).argmax(-1)
    behind = np.asarray(model(x), np.float64)
    behind = behind - behind[np.arange(64), y][:, None]
    reachable = behind + largest_gains(model.args[0], x, y, eps, norm)
    reachable[np.arange(64), y] = -np.inf
    possible = reachable.max(-1)
    assert 0.2 < (possible > 0).mean() < 0.8
    x_adv = apgd_t(model, x, y, KEY, eps=eps, norm=norm, num_steps=30, num_targets=5)
    fooled = np.asarray(model(x_adv).argmax(-1) != y)
    clear = np.abs(possible) > 1e-4
    np.testing.assert_array_equal(fooled[clear], possible[clear] > 0)


def test_targets_are_the_likeliest_other_classes():
    logits = jnp.array([[3.0, 1.0, 2.0, 0.0], [0.0, 5.0, 1.0, 4.0]])
    np.testing.assert_array_equal(
        targets_by_logit(logits, jnp.array([0, 3])), [[2, 1, 3], [1, 2, 0]]
    )


def test_step_sizes_are_halved_at_the_published_steps_when_nothing_improves():
    """With 100 steps the windows are 22, 19, 16, 13, 10, 7, 6, 6 (Croce & Hein 2020)."""
    search = Apgd("l2", 100, "ce", targeted=False, samples=0, num_classes=2)
    x, y = jnp.full((1, 2, 2, 1), 0.5), jnp.zeros(1, int)
    job = Job(x, y, y, jax.random.split(KEY, 1), jnp.full(1, 0.1))
    step = jax.jit(partial(search.step, model_of(1, (2, 2, 1))))
    state, sizes = begin_search(search, job), []
    for count in range(search.evaluations):
        state = step(job, state, jnp.full(1, count))
        sizes.append(float(state.step_size[0]))
    halved = np.flatnonzero(np.divide(sizes[1:], sizes[:-1]) == 0.5) + 1
    np.testing.assert_array_equal(halved, np.cumsum([22, 19, 16, 13, 10, 7, 6, 6]))
    np.testing.assert_allclose([sizes[0], sizes[-1]], [0.2, 0.2 / 2**8])


def bowl(x):
    """Two classes and a loss with one maximum inside of the ball."""
    flat = x.reshape(len(x), -1)
    logit = -(jnp.array([1.0, 2.0, 3.0, 5.0]) * (flat - jnp.array([0.6, 0.45, 0.4, 0.7])) ** 2).sum(
        -1
    )
    return jnp.stack([4.1 - logit, logit], -1)


def published(start, eps, steps):
    """Algorithm 1 of Croce & Hein 2020 for one image in the L2 ball around 0.5, without a box.

    Yields the images that are evaluated and the step sizes.
    """
    loss = jax.jit(jax.value_and_grad(lambda x: (bowl(x) @ jnp.array([-1.0, 1.0])).sum()))

    def in_ball(x):
        return 0.5 + (x - 0.5) * min(1, eps / np.linalg.norm(x - 0.5))

    x = before = best = start
    value, gradient = best_value, best_gradient = loss(x)
    step, window = 2 * eps, int(0.22 * steps)
    checkpoint, rises, old_best = window, 0, value
    halved = True  # their code does not halve at the first checkpoint for want of progress alone
    for count in range(1, steps + 1):
        uphill = in_ball(x + step * np.asarray(gradient) / np.linalg.norm(gradient))
        share = 1.0 if count == 1 else 0.75
        moved = in_ball(x + share * (uphill - x) + (1 - share) * (x - before))
        before, x, last = x, moved, value
        yield x, step
        value, gradient = loss(x)
        rises += value > last
        if value > best_value:
            best, best_value, best_gradient = x, value, gradient
        if count == checkpoint:
            halved = bool(rises <= 0.75 * window or (not halved and old_best >= best_value))
            if halved:
                step, x, gradient = step / 2, best, best_gradient
            window = max(window - int(0.03 * steps), int(0.06 * steps))
            checkpoint, rises, old_best = count + window, 0, best_value


def test_follows_the_published_algorithm():
    search, batch = Apgd("l2", 40, "margin", targeted=False, samples=0, num_classes=2), 4
    x, y = jnp.full((batch, 2, 2, 1), 0.5), jnp.zeros(batch, int)
    job = Job(x, y, y, jax.random.split(KEY, batch), jnp.full(batch, 0.4))
    step, state = jax.jit(partial(search.step, bowl)), begin_search(search, job)
    start, images, sizes = np.asarray(state.x), [], []
    for count in range(search.num_steps):
        state = step(job, state, jnp.full(batch, count))
        images.append(np.asarray(state.x))
        sizes.append(np.asarray(state.step_size))
    for i in range(batch):
        theirs, lengths = zip(*published(start[i : i + 1], 0.4, 40), strict=True)
        np.testing.assert_allclose(
            [image[i] for image in images], np.concatenate(theirs), atol=1e-3
        )
        np.testing.assert_allclose([size[i] for size in sizes], lengths, rtol=1e-6)


LOW, UP, DOWN = -100, 0, -50


@pytest.mark.parametrize(
    ("windows", "halvings"),
    [
        ((UP, UP, UP, UP, UP), []),
        ((DOWN, DOWN, DOWN, UP, UP), [22, 41, 57]),
        # Without a new best value every other window counts as stuck, however often it rises.
        ((UP, LOW, LOW, LOW, UP), [41, 70]),
        ((UP, DOWN, DOWN, UP, LOW), [41, 57, 80]),
    ],
)
def test_when_steps_are_shortened(windows, halvings):
    """With 100 steps the windows are 22, 19, 16, 13, 10, 7, 6, 6."""
    search = Apgd("l2", 100, "margin", targeted=False, samples=0, num_classes=2)
    x, y = jnp.zeros((1, 2, 2, 1)), jnp.zeros(1, int)
    job = Job(x, y, y, jax.random.split(KEY, 1), jnp.full(1, 0.1))
    values = [0.0]
    for kind, length in zip(windows, [22, 19, 16, 13, 10], strict=True):
        first = max(values) + 1 if kind == UP else kind
        values += [first + (-step if kind == DOWN else step) for step in range(length)]
    step = jax.jit(partial(search.step, lambda x: jnp.stack([0 * x[:, 0, 0, 0], x[:, 0, 0, 0]], 1)))
    state, sizes = begin_search(search, job), []
    for count, value in enumerate(values):
        state = step(job, state._replace(x=jnp.full(x.shape, float(value))), jnp.full(1, count))
        sizes.append(float(state.step_size[0]))
    np.testing.assert_array_equal(
        np.flatnonzero(np.divide(sizes[1:], sizes[:-1]) != 1) + 1, halvings
    )
    np.testing.assert_allclose(sizes[-1], 0.2 / 2 ** len(halvings))
