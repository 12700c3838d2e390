"""What PGD finds: optima, targets, starts, restarts, the best image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import fgsm, fgsm_rs, pgd
from rtickets.attacks.losses import make_loss
from rtickets.attacks.pgd import Pgd
from rtickets.attacks.search import Job, begin_search
from tests.attacks.pgd.conftest import KEY, SHAPE, Y, grey, linear, model_of, radius


def slopes(model, y):
    """Return the gradient of the other class's logit minus the label's, (B, pixels)."""
    weights = np.asarray(model.args[0], np.float64)
    return np.stack([weights[:, 1 - label] - weights[:, label] for label in np.asarray(y)])


def optimum(slope, x, eps, norm):
    """Return the largest linear gain in ball and box; for 'l2' the box must not matter."""
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    room = np.where(slope > 0, 1 - x, x)
    if norm == "linf":
        return (np.abs(slope) * np.minimum(eps, room)).sum(1)
    if norm == "l2":
        return eps * np.sqrt((slope**2).sum(1))
    gains = []
    for each, space in zip(np.abs(slope), room, strict=True):
        order = np.argsort(-each)
        used = np.minimum(np.cumsum(space[order]), eps)
        gains.append((each[order] * np.diff(used, prepend=0)).sum())
    return np.array(gains)


def gain(slope, x_adv, x):
    moved = np.asarray(x_adv, np.float64) - np.asarray(x, np.float64)
    return (slope * moved.reshape(len(x), -1)).sum(1)


@pytest.mark.parametrize(
    ("norm", "eps", "box"),
    [
        ("linf", 0.05, False),
        ("linf", 0.5, True),
        ("l2", 0.1, False),
        ("l1", 0.2, False),
        ("l1", 2.0, True),
    ],
)
def test_reaches_the_optimum_of_a_linear_model(norm, eps, box):
    model, x = model_of(), jax.random.uniform(KEY, (3, *SHAPE)) if box else grey()
    best = optimum(slopes(model, Y), x, eps, norm)
    one_step = fgsm(model, x, Y, eps=eps, norm=norm)
    np.testing.assert_allclose(gain(slopes(model, Y), one_step, x), best, rtol=1e-5)
    from_inside = pgd(model, x, Y, KEY, eps=eps, step_size=eps / 4, num_steps=30, norm=norm)
    np.testing.assert_allclose(gain(slopes(model, Y), from_inside, x), best, rtol=1e-5)


def kinked(slope, x):
    """A binary model, piecewise linear with one kink per pixel and rising along the slope."""
    moved = slope * (x.reshape(len(x), -1) - 0.5)
    logit = jnp.where(moved > 0, 0.2 * moved, moved).sum(-1)
    return jnp.stack([-logit, logit], -1)


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_reaches_the_corner_of_a_piecewise_linear_model(loss):
    slope = jax.random.normal(KEY, (16,))
    x, y = jax.random.uniform(jax.random.key(1), (3, *SHAPE)), jnp.zeros(3, int)
    x_adv = pgd(Partial(kinked, slope), x, y, KEY, eps=0.3, step_size=0.1, num_steps=9, loss=loss)
    corner = jnp.clip(x + 0.3 * jnp.sign(slope).reshape(SHAPE), 0, 1)
    np.testing.assert_allclose(x_adv, corner, atol=1e-6)


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_the_loss_that_is_named_is_raised(loss):
    model, x = model_of(4), grey()
    y = model(x).argmax(-1)
    x_adv = pgd(
        model, x, y, KEY, eps=1e-3, step_size=1e-3, num_steps=1, norm="l2", loss=loss,
        random_start=False,
    )  # fmt: skip
    gradient = jax.grad(lambda x: make_loss(loss, 4)(model(x), y, y).sum())(x).reshape(3, -1)
    expected = gradient / jnp.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose((x_adv - x).reshape(3, -1) / 1e-3, expected, atol=1e-3)


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_a_target_is_approached(loss):
    model, x = model_of(5), grey()
    y = model(x).argmax(-1)
    target = (y + jnp.array([1, 2, 4])) % 5
    settings = {"eps": 0.5, "step_size": 0.1, "num_steps": 20, "loss": loss}
    logits = model(pgd(model, x, y, KEY, target=target, **settings))
    each = jnp.arange(3)
    assert (logits[each, target] > logits[each, y]).all()
    if loss == "ce":  # the others do not look at the rest of the classes
        np.testing.assert_array_equal(logits.argmax(-1), target)


def test_images_whose_label_is_the_target_are_returned_as_they_are():
    model, x = model_of(5), grey(6)
    y = jnp.array([0, 1, 2, 3, 4, 0])
    target = jnp.array([0, 2, 2, 4, 4, 1])
    settings = {"eps": 0.3, "step_size": 0.1, "num_steps": 2, "target": target}
    same = np.asarray(y == target)
    for options in ({}, {"best": True}, {"restarts": 2}, {"loss": "margin"}):
        x_adv = np.asarray(pgd(model, x, y, KEY, **settings, **options))
        np.testing.assert_array_equal(x_adv[same], x[same])
        assert (np.abs(x_adv - x).max((1, 2, 3))[~same] > 0.05).all()
    compiled = jax.jit(lambda x: pgd(model, x, y, KEY, **settings))(x)
    np.testing.assert_array_equal(compiled[same], x[same])


def rippled(weights, x):
    """A model so uneven that a search passes by its targets."""
    first, second = weights
    return jnp.sin(6 * x.reshape(len(x), -1) @ first) @ second


def test_a_target_that_is_reached_on_the_way_is_returned():
    keys = jax.random.split(KEY, 64)
    shapes = ((16, 24), (24, 6))
    weights = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=False)]
    model, x = Partial(rippled, weights), grey(64)
    y = model(x).argmax(-1)
    target = (y + 1 + jnp.arange(64) % 5) % 6
    job = Job(x, y, target, keys, jnp.full(64, 0.2), jnp.full(64, 0.04))
    search = Pgd("linf", 15, loss="margin", targeted=True, best=True, reach=True)
    state, step = begin_search(search, job), jax.jit(lambda *args: search.step(model, job, *args))
    reached = np.zeros(64, bool)
    for count in range(search.evaluations):
        reached |= np.asarray(model(state.x).argmax(-1) == target)
        state = step(state, jnp.full(64, count))
    settings = {"eps": 0.2, "step_size": 0.04, "num_steps": 15, "loss": "margin"}

    def hits(**options):
        x_adv = pgd(model, x, y, keys, target=target, **settings, **options)
        return np.asarray(model(x_adv).argmax(-1) == target)

    best, more = hits(best=True), hits(restarts=3)
    np.testing.assert_array_equal(best, reached)
    assert hits().sum() < reached.sum() - 5  # the last image, as documented
    assert more.sum() >= best.sum() > 50
    assert (more >= best).all()


def test_one_step_from_a_random_start():
    model, x = model_of(), grey()
    keys = jax.random.split(KEY, 3)
    x_adv = fgsm_rs(model, x, Y, keys, eps=0.05)
    same = pgd(model, x, Y, keys, eps=0.05, step_size=1.25 * 0.05, num_steps=1)
    np.testing.assert_array_equal(x_adv, same)
    assert (np.abs(x_adv - x) < 0.049).any()  # not all pixels reach the border from everywhere
    np.testing.assert_array_less(radius(x_adv, x, "linf"), 0.05 + 1e-6)
    full = fgsm_rs(model, x, Y, keys, eps=0.05, step_size=0.1)
    np.testing.assert_allclose(gain(slopes(model, Y), full, x), optimum(
        slopes(model, Y), x, 0.05, "linf"), rtol=1e-5)  # fmt: skip


def wave(x):
    """Two classes and a loss with many local maxima along the sum of the pixels."""
    total = x.reshape(len(x), -1).sum(-1)
    logit = jnp.sin(40 * total) + 0.3 * total
    return jnp.stack([5 - logit, logit], -1)


def loss_of(x_adv):
    return make_loss("ce", 2)(wave(x_adv), jnp.zeros(len(x_adv), int), jnp.zeros(len(x_adv), int))


def test_restarts_keep_the_worst_result_of_every_example():
    x, y, keys = grey(8), jnp.zeros(8, int), jax.random.split(KEY, 8)
    settings = {"eps": 0.3, "step_size": 0.02, "num_steps": 4, "norm": "l2"}
    one, three, six = (
        loss_of(pgd(wave, x, y, keys, best=True, restarts=count, **settings)) for count in (1, 3, 6)
    )
    assert (three >= one).all()
    assert (six >= three).all()
    assert (six > one + 1e-3).sum() >= 4


def test_the_best_image_is_no_worse_than_any_that_was_visited():
    x, y, keys = grey(8), jnp.zeros(8, int), jax.random.split(KEY, 8)
    job = Job(x, y, y, keys, jnp.full(8, 0.3), jnp.full(8, 0.05))
    search, visited = Pgd("l2", 6, best=True), []
    state, step = begin_search(search, job), jax.jit(lambda *args: search.step(wave, job, *args))
    for count in range(search.evaluations):
        visited.append(loss_of(state.x))
        state = step(state, jnp.full(8, count))
    np.testing.assert_allclose(loss_of(state.x_adv), np.max(visited, 0), rtol=1e-4)
    assert (loss_of(state.x_adv) > visited[-1] + 1e-3).any()


def island(x):
    """A model that errs on a narrow island, and has its largest loss beyond it."""
    pixel = x.reshape(len(x), -1)[:, 0]
    on, beyond = (pixel > 0.55) & (pixel < 0.61), pixel > 0.61
    label = jnp.where(on | beyond, 1.62, 3.0) - pixel
    rival, others = jnp.where(on, 1.2, 0.95), jnp.where(on, -9.0, 0.95)
    return jnp.stack([label, rival, others, others], -1)


def test_an_image_that_fools_the_model_beats_one_with_more_loss():
    x, y = jnp.full((1, 1, 1, 1), 0.5), jnp.zeros(1, int)
    settings = {"eps": 0.2, "step_size": 0.03, "num_steps": 4, "random_start": False}
    last, best = (pgd(island, x, y, KEY, best=best, **settings) for best in (False, True))
    np.testing.assert_allclose(last, 0.62, atol=1e-6)
    ce = make_loss("ce", 4)
    assert ce(island(last), y, y) > ce(island(best), y, y)
    assert (int(island(last).argmax()), int(island(best).argmax())) == (0, 1)


def test_adam_takes_the_published_steps():
    model, x = model_of(3), grey()
    y = jnp.array([0, 1, 2])
    settings = {"eps": 1.0, "step_size": 0.01, "random_start": False, "rule": "adam", "norm": "l2"}
    image, mean, square = x, 0.0, 0.0
    for time in range(1, 4):
        gradient = jax.grad(lambda x: make_loss("ce", 3)(model(x), y, y).sum())(image)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        unbiased = mean / (1 - 0.9**time), square / (1 - 0.999**time)
        image = image + 0.01 * unbiased[0] / (jnp.sqrt(unbiased[1]) + 1e-8)
    x_adv = pgd(model, x, y, KEY, num_steps=3, **settings)
    np.testing.assert_allclose(x_adv, image, atol=1e-5)


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, weights.shape))(keys)
    return jnp.einsum("bd,bdc->bc", x.reshape(len(x), -1), weights + 3 * noise)


def test_a_random_model_is_attacked_on_average_and_reproducibly():
    weights = model_of().args[0]
    model, x, y = Partial(noisy, weights), grey(16), jnp.zeros(16, int)
    settings = {"eps": 0.1, "step_size": 0.1, "num_steps": 1, "norm": "l2", "loss": "margin"}

    def reached(samples, key=KEY):
        return pgd(model, x, y, key, samples=samples, random_start=False, **settings)

    one, other = reached(1), reached(1, jax.random.key(8))
    np.testing.assert_array_equal(one, reached(1))
    assert (one != other).any()
    slope = slopes(Partial(linear, weights), y)
    few, many = (gain(slope, x_adv, x).mean() for x_adv in (one, reached(100)))
    best = optimum(slope, x, 0.1, "l2").mean()
    assert few < 0.6 * best
    assert many > 0.9 * best
