from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.attacks.losses import margin
from rtickets.attacks.search import Job, run
from rtickets.attacks.square import Square
from rtickets.attacks.square_shapes import bump, bumps, level_of, place, window_sizes
from rtickets.errors import InputError

NORMS = ("linf", "l2", "l1")
SHAPES = ((1, 1, 3), (2, 7, 1), (11, 6, 3))


def linear_model(shape, classes=3, seed=0):
    weights = jax.random.normal(jax.random.key(seed), (int(np.prod(shape)), classes))
    return lambda x: x.reshape(len(x), -1) @ weights


def jobs(shape, batch, eps, seed=0, labels=None):
    generator = np.random.default_rng(seed)
    x = generator.uniform(0, 1, (batch, *shape)).astype(np.float32)
    x[0] = generator.choice([0, 1])  # an image in a corner of the range
    y = jnp.asarray(generator.integers(0, 3, batch) if labels is None else labels, jnp.int32)
    keys = jax.random.split(jax.random.key(seed), batch)
    return Job(jnp.asarray(x), y, y, keys, jnp.full(batch, eps, jnp.float32))


def radius(x_adv, x, norm):
    delta = np.abs(np.asarray(x_adv, np.float64) - np.asarray(x, np.float64)).reshape(len(x), -1)
    return {"linf": delta.max(-1), "l2": np.sqrt((delta**2).sum(-1)), "l1": delta.sum(-1)}[norm]


@lru_cache
def proposals(norm):
    search = Square(norm, 10_000)
    start, propose = jax.jit(search.start), jax.jit(search.propose)

    def follow(job, counts):
        """Return the start and two proposals, each made from the image before."""
        first = start(job).x_adv
        second = propose(job, first, job.key, counts)
        return first, second, propose(job, second, job.key, counts + 1)

    return follow


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(NORMS),
    st.sampled_from([0.0, 1e-30, 1e-3, 0.3, 4.0, 100.0]),
    st.lists(st.integers(1, 9_999), min_size=4, max_size=4),
    st.integers(0, 50),
)
def test_proposals_stay_in_the_ball_and_in_range(shape, norm, eps, counts, seed):
    job = jobs(shape, 4, eps, seed)
    for x_adv in proposals(norm)(job, jnp.array(counts)):
        assert x_adv.dtype == jnp.float32
        rounding = job.x[0].size * 6e-8 if norm == "l1" else 1e-6  # l1 adds up that of every pixel
        assert (radius(x_adv, job.x, norm) <= eps * (1 + 1e-5) + rounding).all()
        assert 0 <= x_adv.min() <= x_adv.max() <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_radius_zero_is_the_identity(norm):
    job = jobs((11, 6, 3), 4, 0.0)
    for x_adv in proposals(norm)(job, jnp.array([1, 60, 900, 9000])):
        np.testing.assert_allclose(x_adv, job.x, rtol=0, atol=1e-7 if norm == "l1" else 0)


@pytest.mark.parametrize("norm", NORMS)
def test_proposals_use_the_whole_radius_and_change_windows_of_the_level(norm):
    job = jobs((11, 6, 3), 4, 0.05)._replace(x=jnp.full((4, 11, 6, 3), 0.5))
    start, first, second = proposals(norm)(job, jnp.array([1, 60, 900, 9000]))
    for x_adv in (start, first, second):
        np.testing.assert_allclose(radius(x_adv, job.x, norm), 0.05, rtol=1e-4)
    if norm == "linf":
        rows = (first != start).any((2, 3)).sum(1)
        assert (rows <= np.array([6, 5, 2, 1])).all()


@pytest.mark.parametrize(
    ("norm", "loss"), [("linf", "margin"), ("l2", "margin"), ("l1", "margin"), ("linf", "ce")]
)
def test_the_loss_never_falls_and_is_that_of_the_image(norm, loss):
    shape = (9, 9, 3)
    logits_fn = linear_model(shape)
    job = jobs(shape, 5, 0.03 if norm == "linf" else 0.3)
    label = logits_fn(job.x).argmax(-1)
    job, search = job._replace(y=label, target=label), Square(norm, 40, loss=loss)
    start, count = jax.jit(search.start)(job), jnp.zeros(5, jnp.int32)
    step = jax.jit(lambda job, state, count: search.step(logits_fn, job, state, count))
    state, losses = step(job, start, count), []
    np.testing.assert_array_equal(state.x_adv, start.x_adv)  # the first query is of the start
    for _ in range(1, search.evaluations):
        count = count + 1
        before, state = state, step(job, state, count)
        logits = logits_fn(state.x_adv)
        losses.append(margin(logits, job.y, job.y))
        np.testing.assert_array_equal(state.fooled, logits.argmax(-1) != job.y)
        assert (~before.fooled | state.fooled).all()
        assert (state.loss >= before.loss).all() or loss == "ce"
    if loss == "margin":
        assert (np.diff(losses, axis=0) >= -1e-5).all()
        np.testing.assert_allclose(losses[-1], state.loss, atol=1e-5)
    assert (np.stack(losses)[-1] > np.stack(losses)[0]).any()


@pytest.mark.parametrize("norm", NORMS)
def test_a_proposal_does_not_depend_on_the_batch_or_on_the_counts_of_others(norm):
    job, counts = jobs((11, 6, 3), 4, 0.05), jnp.array([1, 500, 7, 3])
    alone = jax.tree.map(lambda leaf: leaf[2:3], job)
    whole, single = proposals(norm)(job, counts), proposals(norm)(alone, counts[2:3])
    for several, one in zip(whole, single, strict=True):
        np.testing.assert_allclose(several[2:3], one, atol=1e-6)


def test_an_example_does_not_depend_on_its_batch():
    logits_fn = linear_model((8, 8, 3))
    job, search = jobs((8, 8, 3), 4, 0.05), Square("linf", 30)
    alone = jax.tree.map(lambda leaf: leaf[2:3], job)
    whole, single = run(search, logits_fn, job), run(search, logits_fn, alone)
    np.testing.assert_allclose(whole.x_adv[2:3], single.x_adv, atol=1e-6)
    assert whole.fooled[2] == single.fooled[0]


@pytest.mark.parametrize(("norm", "share"), [("linf", 0.99), ("l2", 0.6), ("l1", 0.6)])
def test_comes_close_to_the_optimum_of_a_linear_model(norm, share):
    """Shares of the largest gain for smooth weights; the bias rules out success."""
    rows, columns = np.mgrid[:8, :8] / 8
    slope = np.sin(5 * rows + 3 * columns)[None, ..., None].astype(np.float32)
    slope[:, -1] = slope[:, :, -1] = 0  # where windows do not reach
    eps = {"linf": 0.05, "l2": 0.3, "l1": 0.3}[norm]

    def logits_fn(x):
        gain = (x * slope).sum((1, 2, 3))
        return jnp.stack([jnp.full_like(gain, 100.0), gain], 1)

    x = jnp.full((4, 8, 8, 1), 0.5)
    y = jnp.zeros(4, jnp.int32)
    job = Job(x, y, y, jax.random.split(jax.random.key(0), 4), jnp.full(4, eps))
    state = run(Square(norm, 1000), logits_fn, job)
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    best = eps * np.linalg.norm(slope.ravel(), dual)
    gained = ((state.x_adv - x) * slope).sum((1, 2, 3)) / best
    assert not state.fooled.any()
    assert share < gained.min() <= gained.max() < 1 + 1e-5, gained


def test_beats_a_model_without_gradients():
    def logits_fn(x):
        brightness = jnp.round(64 * x).mean((1, 2, 3))
        return jnp.stack([jnp.full_like(brightness, 34.0), brightness], 1)

    x, y = jnp.full((3, 6, 6, 1), 0.5), jnp.zeros(3, jnp.int32)
    job = Job(x, y, y, jax.random.split(jax.random.key(0), 3), jnp.full(3, 0.1))
    assert run(Square("linf", 200), logits_fn, job).fooled.all()


def test_logits_that_are_nan_count_as_fooled():
    job = jobs((4, 4, 1), 2, 0.1)
    state = run(Square("linf", 3), lambda x: jnp.full((len(x), 3), jnp.nan), job)
    assert state.fooled.all()
    assert np.isfinite(state.x_adv).all()


def test_the_radius_is_data():
    traces = []
    search = Square("l2", 3)
    job = jobs((5, 5, 1), 2, 0.1)

    def logits_fn(x):
        traces.append(x.shape)
        return x.reshape(2, -1)[:, :3]

    step = jax.jit(lambda job, state: search.step(logits_fn, job, state, jnp.ones(2, jnp.int32)))
    for eps in (0.1, 0.2):
        step(job._replace(eps=jnp.full(2, eps)), search.start(job))
    assert len(traces) == 1


def test_the_schedule_is_the_published_one():
    iterations = jnp.array([0, 10, 11, 50, 51, 200, 201, 501, 1001, 2001, 4001, 6001, 8000, 8001])
    expected = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9]
    np.testing.assert_array_equal(level_of(iterations, 10_000), expected)
    np.testing.assert_array_equal(level_of(jnp.array([5, 6, 4000, 4001]), 5000), [0, 1, 8, 9])
    np.testing.assert_array_equal(level_of(jnp.array([-1, 0, 1, 2]), 3), [0, 0, 6, 8])


@pytest.mark.parametrize("rescale", [True, False])
def test_few_queries_end_with_small_windows_only_if_they_are_rescaled(rescale):
    search, job = Square("linf", 100, rescale=rescale), jobs(SHAPES[2], 4, 0.3)
    last = search.propose(job, job.x, job.key, jnp.full(len(job.y), 99))
    changed = (last != job.x).any(-1).sum((1, 2)).max()
    assert (changed <= 4) == rescale


def test_window_sizes_are_the_published_ones():
    assert window_sizes(32, 32, 0.8, odd=False) == (29, 20, 14, 10, 7, 5, 4, 3, 2, 1)
    assert window_sizes(32, 32, 0.8, odd=True) == (29, 21, 15, 11, 7, 5, 5, 3, 3, 3)
    assert set(window_sizes(1, 9, 0.8, odd=True)) == {1}
    assert max(window_sizes(4, 30, 0.8, odd=False)) == 4


def test_a_bump_is_the_published_picture():
    middle, edge = 1 + 1 / 4, 1 / 4  # of a half of 1 x 3 pixels
    upper = np.array([edge, middle, edge])
    lower = np.array([[edge, edge, edge], [edge, middle, edge]])
    expected = np.concatenate([upper[None] / np.linalg.norm(upper), -lower / np.linalg.norm(lower)])
    np.testing.assert_allclose(bump(3, "l2"), expected / np.sqrt(2), rtol=1e-6)
    for size in range(1, 12):
        assert np.square(bump(size, "l2")).sum() == pytest.approx(1, rel=1e-6)
        assert np.abs(bump(size, "l1")).sum() == pytest.approx(1, rel=1e-6)
        assert size == 1 or bump(size, "l1").sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize(("height", "width"), [(6, 9), (1, 4), (2, 2)])
def test_bumps_drawn_into_windows_are_the_pictures(norm, height, width):
    sizes = window_sizes(height, width, 0.8, odd=True)
    level, flat = jnp.arange(10), jnp.arange(10) % 2
    uniform = jax.random.uniform(jax.random.key(0), (10, 2))
    window = place(uniform, jnp.asarray(sizes)[level], height, width)
    drawn = np.asarray(bumps(window, level, flat, sizes, norm))[..., 0]
    for index, size in enumerate(sizes):
        inside = np.asarray(window.inside())[index, ..., 0]
        picture = bump(size, norm)
        expected = picture if flat[index] else picture.T
        np.testing.assert_allclose(drawn[index][inside], expected.ravel(), atol=1e-6)
        assert (drawn[index][~inside] == 0).all()


def test_windows_lie_where_those_of_the_authors_code_do():
    """Their corners are integers below side - size: the last row and column stay out of reach."""
    corners = jnp.array([[0.0, 0.0], [1 - 2**-24, 1 - 2**-24]])
    inside = place(corners, jnp.array([3, 3]), 5, 8).inside()[..., 0]
    assert inside[0, :3, :3].all()
    assert inside[1, 1:4, 4:7].all()
    np.testing.assert_array_equal(inside.sum((1, 2)), 9)
    uniform = jax.random.uniform(jax.random.key(0), (200, 2))
    reached = np.asarray(place(uniform, jnp.full(200, 3), 5, 8).inside())[..., 0].any(0)
    assert reached[:-1, :-1].all()
    assert not reached[-1].any()
    assert not reached[:, -1].any()
    filling = np.asarray(place(uniform, jnp.full(200, 5), 5, 8).inside())[..., 0]
    assert filling.any(2).all()  # every row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l7"}, "norm='l7'"),
        ({"num_queries": 0}, "num_queries=0"),
        ({"p_init": 0.0}, r"p_init=0\.0"),
        ({"loss": "dlr"}, "loss='dlr'"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(InputError, match=message):
        Square(**({"norm": "linf", "num_queries": 10} | change))
