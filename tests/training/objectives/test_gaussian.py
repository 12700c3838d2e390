import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import training
from rtickets.config import ObjectiveConfig, OptimizerConfig, PretrainConfig
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.training.objectives import gaussian

KEYS = jax.random.split(jax.random.key(4), 64)
NOISY = ObjectiveConfig(name="gaussian", sigma=0.3)


def noise(sigma, keys=KEYS, shape=(8, 8, 2)):
    images = jnp.full((len(keys), *shape), 0.5)
    labels = jnp.zeros(len(keys), jnp.int32)
    return np.asarray(
        gaussian(sigma).perturb(None, {"image": images, "label": labels}, keys).inputs - images
    )


@pytest.mark.parametrize("sigma", [0.25, 1.0])
def test_the_noise_is_gaussian_in_pixel_units(sigma):
    values = noise(sigma).ravel() / sigma
    assert len(values) == 8192
    assert values.mean() == pytest.approx(0, abs=4 / 8192**0.5)
    assert values.std() == pytest.approx(1, abs=4 / (2 * 8192) ** 0.5)
    # Shares of a standard normal inside 1, 2 and 3 standard deviations.
    inside = [(np.abs(values) < width).mean() for width in (1, 2, 3)]
    assert inside == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.02)


def test_images_are_not_clipped():
    images = jnp.ones((64, 4, 4, 1))
    perturbed = gaussian(0.5).perturb(None, {"image": images}, KEYS).inputs
    assert (perturbed > 1).mean() == pytest.approx(0.5, abs=0.06)


def test_no_noise_is_the_identity():
    np.testing.assert_array_equal(noise(0.0), 0)


def test_noise_belongs_to_the_example():
    whole, part = noise(0.25), noise(0.25, KEYS[10:13])
    np.testing.assert_array_equal(whole[10:13], part)
    assert np.abs(np.corrcoef(whole.reshape(64, -1))[np.triu_indices(64, 1)]).max() < 0.5
    assert not (whole[0] == whole[1]).any()


def test_the_gradient_is_that_of_the_clean_image_on_average():
    # At zero weights the softmax is uniform, so the gradient (1 / 2 - onehot) (x + noise) is linear
    # in the noise.
    images = jnp.tile(jnp.array([0.2, 0.9, 0.0, 0.4]).reshape(1, 2, 2, 1), (64, 1, 1, 1))
    labels = jnp.zeros(64, jnp.int32)
    objective = gaussian(0.25)
    perturbed = objective.perturb(None, {"image": images, "label": labels}, KEYS).inputs

    def loss(weights):
        def train_fn(x):
            return x.reshape(len(x), -1) @ weights, None

        return objective.loss(train_fn, {"image": images, "label": labels}, perturbed)[0].mean()

    gradient = jax.grad(loss)(jnp.zeros((4, 2)))
    exact = np.asarray(perturbed).reshape(64, 4).mean(0)
    np.testing.assert_allclose(gradient, np.outer(exact, [-0.5, 0.5]), atol=1e-6)
    clean = np.outer([0.2, 0.9, 0.0, 0.4], [-0.5, 0.5])
    np.testing.assert_allclose(gradient, clean, atol=4 * 0.25 / 2 / 64**0.5)


def test_the_loss_is_that_of_the_noisy_images():
    images, labels = jnp.zeros((64, 1, 2, 1)), jnp.ones(64, jnp.int32)
    objective = gaussian(1.0)
    perturbed = objective.perturb(None, {"image": images, "label": labels}, KEYS).inputs
    losses, logits, stats = objective.loss(
        lambda x: (x.reshape(len(x), 2), "statistics"),
        {"image": images, "label": labels},
        perturbed,
    )
    expected = optax.softmax_cross_entropy_with_integer_labels(perturbed.reshape(64, 2), labels)
    np.testing.assert_allclose(losses, expected)
    np.testing.assert_array_equal(logits, perturbed.reshape(64, 2))
    assert stats == "statistics"


def test_training_learns_and_pruned_weights_stay_exactly_zero(tiny):
    optimizer = OptimizerConfig(learning_rate=0.0, weight_decay=0.1, schedule="constant")
    program = tiny.program(objective=NOISY, optimizer=optimizer)
    state, losses = tiny.steps(program, 24, rate=0.02)
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:3])
    removed = jax.tree.map(lambda keep, leaf: np.where(keep, 0, leaf), tiny.mask, state.params)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(removed))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, tiny.params)
    assert all(jax.tree.leaves(moved))


def test_a_configuration_makes_the_objective():
    batch = {"image": jnp.zeros((64, 2, 2, 1)), "label": jnp.zeros(64, jnp.int32)}
    made = training.make_objective(NOISY).perturb(None, batch, KEYS)
    np.testing.assert_array_equal(made.inputs, gaussian(0.3).perturb(None, batch, KEYS).inputs)


@pytest.mark.parametrize("sigma", [-0.1, float("inf"), float("nan")])
def test_a_bad_sigma_is_named(sigma):
    with pytest.raises(InputError, match=r"train\.objective\.sigma="):
        config_files.parse(PretrainConfig, {"train": {"objective": {"sigma": sigma}}})
