import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import training
from rtickets.attacks import pgd
from rtickets.config import AttackConfig, ObjectiveConfig

KEYS = jax.random.split(jax.random.key(0), 6)
WEIGHTS = jax.random.normal(jax.random.key(1), (4 * 4, 3))


def logits_fn(x):
    """A model that normalises its pixels and is not linear."""
    return jnp.tanh((x.reshape(len(x), -1) - 0.4) / 0.2 @ WEIGHTS / 8)


@pytest.fixture
def batch():
    generator = np.random.default_rng(2)
    images = generator.uniform(0, 1, (6, 4, 4, 1)).astype(np.float32)
    images[0], images[1] = 0, 1
    return jnp.asarray(images), jnp.asarray([0, 1, 2, 0, 1, 2])


def perturbed(attack, images, labels):
    objective = training.make_objective(ObjectiveConfig(name="pgd", attack=attack))
    return objective.perturb(logits_fn, {"image": images, "label": labels}, KEYS).inputs


def lengths(moves, norm):
    flat = np.abs(np.asarray(moves, np.float64).reshape(len(moves), -1))
    return flat.max(1) if norm == "linf" else np.linalg.norm(flat, axis=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", ["pgd", "fgsm", "fgsm_rs"])
def test_pixels_stay_in_range_though_the_network_normalises_them(batch, name, norm):
    images, labels = batch
    eps = 0.3 if norm == "linf" else 1.0
    found = perturbed(AttackConfig(name=name, norm=norm, eps=eps), images, labels)
    assert 0 <= found.min() <= found.max() <= 1
    assert (lengths(found - images, norm) <= eps * (1 + 1e-5)).all()
    assert (found != images).any((1, 2, 3)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_step_from_a_random_start_is_an_attack_and_not_noise(batch, norm):
    images, labels = batch
    eps = 0.05 if norm == "linf" else 0.2

    def loss_of(images):
        log_p = jax.nn.log_softmax(logits_fn(images))
        return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()

    attack = AttackConfig(name="fgsm_rs", norm=norm, eps=eps)
    start = perturbed(
        AttackConfig(name="fgsm_rs", norm=norm, eps=eps, step_size=0.0), images, labels
    )
    assert (lengths(start - images, norm) <= eps * (1 + 1e-5)).all()
    clean, noisy = loss_of(images), loss_of(start)
    attacked = loss_of(perturbed(attack, images, labels))
    assert attacked - clean > 5 * abs(noisy - clean)


def test_the_worst_of_all_images_can_be_kept(batch):
    images, labels = batch
    settings = {"eps": 0.3, "step_size": 0.3, "num_steps": 3}  # so long that it jumps to and fro
    attack = AttackConfig(best=True, **settings)
    found = perturbed(attack, images, labels)
    expected = pgd(logits_fn, images, labels, KEYS, best=True, **settings)
    np.testing.assert_array_equal(found, expected)
    last = perturbed(dataclasses.replace(attack, best=False), images, labels)

    def loss_of(images):
        return -jax.nn.log_softmax(logits_fn(images))[np.arange(6), labels]

    assert (loss_of(found) - loss_of(last)).max() > 1e-3
    fooled = [(logits_fn(x).argmax(-1) != labels).sum() for x in (found, last)]
    assert fooled[0] >= fooled[1]


def test_steps_do_not_accumulate_gradients(batch):
    """Two steps are one and then another, each along its own gradient."""
    images, labels = batch
    eps, step = 0.2, 0.05
    options = {"eps": eps, "step_size": step, "norm": "l2", "random_start": False}
    two = perturbed(
        AttackConfig(eps=eps, step_size=step, num_steps=2, norm="l2", random_start=False),
        images,
        labels,
    )
    first = pgd(logits_fn, images, labels, KEYS, num_steps=1, **options)
    second = pgd(logits_fn, first, labels, KEYS, num_steps=1, **options)
    np.testing.assert_allclose(two, second, atol=1e-6)
    assert np.abs(second - first).max() > 1e-3
