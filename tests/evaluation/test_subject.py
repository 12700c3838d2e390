import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.data import labelled
from rtickets.data.images.augment import Transform
from rtickets.evaluation import Network, make_subject, on_devices, predict
from rtickets.evaluation import subject as module
from rtickets.evaluation.subject import logits_fn, spread
from rtickets.platform import parallel
from rtickets.tasks import Classification


def subject_of(tiny, count=None, seed=0, transform=None):
    return make_subject(
        Network(tiny.model, tiny.params, tiny.batch_stats),
        tiny.split,
        transform or Transform(),
        count=count,
        seed=seed,
        batch_size=16,
        devices=parallel.local_devices(2),
    )


@pytest.mark.parametrize(
    ("total", "count", "indices"),
    [
        (5, None, [0, 1, 2, 3, 4]),
        (3, 3, [0, 1, 2]),
        (3, 7, [0, 1, 2]),
        (10, 1, [0]),
        (10, 2, [0, 9]),
        (10, 4, [0, 3, 6, 9]),
    ],
)
def test_examples_are_spread_over_the_split(total, count, indices):
    assert spread(total, count).tolist() == indices


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_no_example_is_taken_twice(total, count):
    chosen = spread(total, count)
    assert len(chosen) == min(total, count)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] == 0
    assert chosen[-1] < total


def test_a_subject_has_the_split_s_images_as_the_network_gets_them(tiny, monkeypatch):
    monkeypatch.setattr(module, "_PREPARED", 5)
    subject = subject_of(tiny, 12)
    chosen = spread(48, 12)
    np.testing.assert_allclose(subject.x, tiny.split.images[chosen] / 255, atol=1e-7)
    np.testing.assert_array_equal(subject.y, tiny.split.labels[chosen])
    assert (subject.x.dtype, subject.keys.shape) == (np.float32, (12,))


def test_images_stay_in_their_range_when_they_are_resized(tiny):
    generator = np.random.default_rng(0)
    images = (generator.integers(0, 2, tiny.split.images.shape) * 255).astype(np.uint8)
    black_and_white = tiny._replace(split=labelled(images, tiny.split.labels))
    subject = subject_of(black_and_white, transform=Transform(size=(13, 11)))
    assert subject.x.shape == (48, 13, 11, 1)
    assert subject.x.min() >= 0
    assert subject.x.max() <= 1


def test_images_of_one_kind_share_a_program(tiny):
    first, second = (module._compiled(Classification(), Transform()) for _ in range(2))
    assert first is second


def test_keys_belong_to_places_in_the_split(tiny):
    everything, few = (jax.random.key_data(subject_of(tiny, count).keys) for count in (None, 12))
    np.testing.assert_array_equal(few, everything[spread(48, 12)])
    other = jax.random.key_data(subject_of(tiny, 12, seed=1).keys)
    assert (other != few).any(-1).all()


def test_a_part_of_a_subject_is_spread_over_it(tiny):
    subject = subject_of(tiny, 24)
    part = subject.take(6)
    chosen = spread(24, 6)
    np.testing.assert_array_equal(part.x, subject.x[chosen])
    np.testing.assert_array_equal(part.y, subject.y[chosen])
    keys = jax.random.key_data(subject.keys)[chosen]
    np.testing.assert_array_equal(jax.random.key_data(part.keys), keys)
    assert len(subject.take(100).y) == 24


def test_the_attacked_network_is_the_one_that_predicts(tiny):
    subject = subject_of(tiny)
    examples = on_devices(tiny.split, Transform(), subject.devices)
    fn = logits_fn(subject.network, subject.devices[:1])
    np.testing.assert_allclose(fn(subject.x), predict(subject.network, examples), atol=1e-4)


def test_networks_of_one_model_share_their_programs(tiny):
    devices = parallel.local_devices(1)
    other = Network(tiny.model, jax.tree.map(lambda leaf: 2 * leaf, tiny.params), tiny.batch_stats)
    first, second = (logits_fn(one, devices) for one in (subject_of(tiny).network, other))
    assert first.func == second.func
    assert hash(first.func) == hash(second.func)


def test_input_noise_is_gaussian_on_the_pixels_and_drawn_from_the_keys(tiny):
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    devices = parallel.local_devices(1)
    x = np.asarray(tiny.split.images[:4] / 255, np.float32)
    keys = jax.random.split(jax.random.key(0), 4)
    noisy = logits_fn(network, devices, 0.25)
    noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
    expected = logits_fn(network, devices)(x + 0.25 * noise)
    np.testing.assert_allclose(noisy(x, keys), expected, atol=1e-5)
    assert noisy.func is logits_fn(network, devices, 0.5).func  # the amount is data
