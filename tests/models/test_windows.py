"""Windows cover an image, and answers are averaged where they overlap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.models.windows import Windows, starts
from rtickets.tasks import Segmentation


class Halving:
    """Answers every second place with what is there, and with the window's mean beside it."""

    def apply(self, variables, x, train=False):
        mean = jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape)
        return jnp.concatenate([variables * x, mean], -1)[:, ::2, ::2]


@given(st.integers(1, 60), st.integers(1, 60))
def test_windows_begin_so_that_all_is_covered_and_the_last_ends_at_the_edge(length, window):
    window = min(length, window)
    found = starts(length, window)
    assert found[0] == 0
    assert found[-1] == length - window
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (steps <= window).all()
    assert len(found) <= 2 + 2 * (length - window) / window


def test_answers_are_averaged_where_windows_overlap():
    x = jnp.asarray(np.random.default_rng(0).random((2, 4, 10, 1), np.float32))
    found = Windows(Halving(), (4, 6)).apply(2.0, x)
    assert found.shape == (2, 4, 10, 2)
    left, right = x[:, :, :6].mean((1, 2, 3)), x[:, :, 4:].mean((1, 2, 3))
    np.testing.assert_allclose(found[:, 0, :4, 1], left[:, None].repeat(4, 1), rtol=1e-5)
    both = ((left + right) / 2)[:, None].repeat(2, 1)
    np.testing.assert_allclose(found[:, 0, 4:6, 1], both, rtol=1e-5)
    np.testing.assert_allclose(found[:, 0, 6:, 1], right[:, None].repeat(4, 1), rtol=1e-5)


def test_an_image_no_larger_than_a_window_is_seen_whole():
    x = jax.random.uniform(jax.random.key(0), (1, 4, 6, 3))
    found = Windows(Halving(), (8, 8)).apply(1.0, x)
    whole = jax.image.resize(Halving().apply(1.0, x), (1, 4, 6, 6), "bilinear", antialias=False)
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_a_task_is_evaluated_at_the_size_that_it_asks_for():
    raw = {"image": jnp.zeros((1, 8, 6, 3), jnp.uint8), "mask": jnp.zeros((1, 8, 6), jnp.uint8)}
    transform, model = Transform((4, 4)), object()
    for evaluation, shape in (("resized", (4, 4)), ("whole", (8, 6)), ("sliding", (8, 6))):
        task = Segmentation(evaluation=evaluation)
        batch = task.prepare(transform, raw)
        assert batch["image"].shape[1:3] == batch["mask"].shape[1:] == shape
        called = task.evaluated(model, transform)
        assert called == (Windows(model, (4, 4)) if evaluation == "sliding" else model)
    with pytest.raises(InputError, match=r"'sliding'.*data\.image_size"):
        Segmentation(evaluation="sliding").evaluated(model, Transform())
