import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.errors import InputError
from rtickets.evaluation import inversion
from rtickets.evaluation.inversion import grey_starts, invert, root_mean_square
from rtickets.platform import preemption

RNG = np.random.default_rng(0)
SHAPE = (2, 3, 1)
MATRIX = np.linalg.qr(RNG.normal(0, 1, (6, 4)))[0].astype(np.float32) * (1, 0.9, 0.8, 0.7)
MATRIX = MATRIX.astype(np.float32)  # singular values that plain descent gets along with
TARGETS = RNG.uniform(0.45, 0.55, (5, *SHAPE)).astype(np.float32)
STARTS = RNG.uniform(0.45, 0.55, (5, *SHAPE)).astype(np.float32)


def linear(matrix, x):
    return x.reshape(len(x), -1) @ matrix


def relative(x):
    x, wanted = (each.reshape(len(each), -1) @ MATRIX for each in (np.asarray(x), TARGETS))
    return np.linalg.norm(x - wanted, axis=1) / np.linalg.norm(wanted, axis=1)


def run(features_fn=None, targets=TARGETS, starts=STARTS, **options):
    features_fn = Partial(linear, jnp.asarray(MATRIX)) if features_fn is None else features_fn
    return invert(features_fn, targets, starts, **{"num_steps": 400, "step_size": 0.05, **options})


def test_gradient_descent_on_a_linear_network_ends_at_the_least_squares_solution():
    """It is the start plus the smallest change that gives the target's features."""
    found = run(num_steps=1000, step_size=0.1, update="plain", schedule="constant")
    wanted = (TARGETS - STARTS).reshape(5, -1) @ MATRIX
    change = np.linalg.lstsq(MATRIX.T, wanted.T)[0].T
    assert ((change + STARTS.reshape(5, -1) > 0) & (change + STARTS.reshape(5, -1) < 1)).all()
    np.testing.assert_allclose(
        found.images.reshape(5, -1), STARTS.reshape(5, -1) + change, atol=1e-4
    )
    assert not np.allclose(found.images, TARGETS, atol=1e-2)  # the map is not injective


def test_normalized_steps_that_shorten_get_there_too():
    found = run(num_steps=1500)
    assert (found.distances < 1e-3).all()
    np.testing.assert_allclose(found.starts, relative(STARTS), rtol=1e-4)
    np.testing.assert_allclose(found.distances, relative(found.images), atol=1e-5)


def test_a_plain_step_by_hand():
    found = run(num_steps=1, step_size=0.5, update="plain", schedule="constant")
    x, t = STARTS.reshape(5, -1), TARGETS.reshape(5, -1)
    whole = ((t @ MATRIX) ** 2).sum(1, keepdims=True)
    moved = x - 0.5 * ((x - t) @ MATRIX @ MATRIX.T) / whole
    nearer = relative(moved) < relative(STARTS)
    assert nearer.any()
    expected = np.where(nearer[:, None], moved, x)
    np.testing.assert_allclose(found.images.reshape(5, -1), expected, atol=1e-6)


def test_the_nearest_of_all_images_is_returned_inside_ball_and_box():
    found = run(num_steps=30, step_size=3.0, schedule="constant")  # far too long steps
    assert (found.distances <= found.starts).all()
    near = run(eps=0.02)
    assert (root_mean_square(near.images - STARTS) * 6**0.5 <= 0.02 + 1e-6).all()
    assert (near.distances < near.starts).all()
    dark = run(targets=np.zeros_like(TARGETS) + 0.01)
    assert (np.asarray(dark.images) >= 0).all()


def test_no_step_is_the_start_and_the_target_is_already_there():
    none = run(num_steps=0)
    np.testing.assert_array_equal(none.images, STARTS)
    np.testing.assert_array_equal(none.distances, none.starts)
    there = run(starts=TARGETS)
    np.testing.assert_array_equal(there.images, TARGETS)
    np.testing.assert_array_equal(there.distances, 0)


def test_features_that_are_all_zero_are_reached_by_everything():
    found = run(Partial(linear, jnp.zeros((6, 4))))
    np.testing.assert_array_equal(found.images, STARTS)
    np.testing.assert_array_equal(found.distances, 0)


def test_results_belong_to_the_image_and_come_again(monkeypatch):
    plain = {"update": "plain", "step_size": 0.1}
    whole, part = run(**plain), run(targets=TARGETS[2:3], starts=STARTS[2:3], **plain)
    np.testing.assert_allclose(part.images, whole.images[2:3], atol=1e-5)
    for one, other in zip(run(**plain), whole, strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(inversion.jax, "default_backend", lambda: "gpu")  # many steps in one loop
    looped = run(num_steps=130, **plain)
    monkeypatch.undo()
    np.testing.assert_allclose(looped.images, run(num_steps=130, **plain).images, atol=1e-5)


def test_a_function_with_weights_of_its_own_is_traced_anew():
    class Network:
        matrix = jnp.asarray(MATRIX)

        def __call__(self, x):
            return linear(self.matrix, x)

    network = Network()
    before = run(network)
    np.testing.assert_allclose(before.images, run().images, atol=1e-5)
    network.matrix = jnp.zeros((6, 4))
    np.testing.assert_array_equal(run(network).images, STARTS)


def test_starts_are_grey_by_the_keys_of_the_images():
    keys = jax.random.split(jax.random.key(0), 4)
    starts = grey_starts(keys, (8, 8, 1), 0.05)
    assert np.abs(np.asarray(starts) - 0.5).mean() == pytest.approx(0.04, abs=0.005)
    np.testing.assert_array_equal(grey_starts(keys[2:], (8, 8, 1), 0.05), starts[2:])
    np.testing.assert_array_equal(grey_starts(keys, (8, 8, 1), 0.0), 0.5)


def test_it_stops_when_the_process_is_asked_to(monkeypatch):
    calls = iter(range(3))

    def check():
        if next(calls, None) is None:
            raise preemption.Preempted

    monkeypatch.setattr(preemption, "check", check)
    with pytest.raises(preemption.Preempted):
        run()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"update": "newton"}, "update='newton'.*normalized, plain"),
        ({"schedule": "cosine"}, "schedule='cosine'.*linear, constant"),
        ({"num_steps": -1}, "num_steps=-1"),
        ({"step_size": 0.0}, "step_size=0.0"),
        ({"eps": float("nan")}, "eps=nan"),
        ({"starts": STARTS[:2]}, r"\(2, 2, 3, 1\).*\(5, 2, 3, 1\)"),
    ],
)
def test_what_means_nothing_is_refused(options, named):
    with pytest.raises(InputError, match=named):
        run(**options)
