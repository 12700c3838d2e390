import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.training import objectives
from rtickets.training.objectives.mart import rival_loss

BALL = {"eps": 0.1, "step_size": 0.03, "num_steps": 4}
KEYS = jax.random.split(jax.random.key(0), 6)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def literal_loss(clean, perturbed, labels, weight):
    """Boosted cross-entropy plus the weighted divergence, as the paper writes them."""
    p, q = softmax(np.asarray(clean, np.float64)), softmax(np.asarray(perturbed, np.float64))
    found = []
    for i, label in enumerate(labels):
        rival = max(q[i, k] for k in range(q.shape[1]) if k != label)
        boosted = -np.log(q[i, label]) - np.log(1 - rival)
        divergence = sum(p[i, k] * np.log(p[i, k] / q[i, k]) for k in range(p.shape[1]))
        found.append(boosted + weight * divergence * (1 - p[i, label]))
    return np.array(found)


@settings(max_examples=15, deadline=None)
@given(weight=st.floats(0, 20), seed=st.integers(0, 1000), classes=st.integers(2, 6))
def test_the_loss_is_the_literal_one(weight, seed, classes):
    clean, perturbed = np.random.default_rng(seed).normal(0, 2, (2, 6, classes)).astype(np.float32)
    labels = np.arange(6) % classes
    objective = objectives.mart(**BALL, beta=weight)
    losses, logits, _ = objective.loss(
        lambda x: (x, None),
        {"image": jnp.asarray(clean), "label": jnp.asarray(labels)},
        jnp.asarray(perturbed),
    )
    expected = literal_loss(clean, perturbed, labels, weight)
    np.testing.assert_allclose(losses, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(logits, perturbed)


def test_everything_is_differentiated():
    generator = np.random.default_rng(5)
    x, labels = generator.normal(0, 1, (2, 6, 4)), np.arange(6) % 3
    weights = generator.normal(0, 1, (4, 3))
    objective = objectives.mart(**BALL, beta=4.0)

    def loss(weights):
        clean, perturbed = jnp.asarray(x, jnp.float32)
        batch = {"image": clean, "label": labels}
        return objective.loss(lambda x: (x @ weights, None), batch, perturbed)[0].sum()

    gradient = jax.grad(loss)(jnp.asarray(weights, jnp.float32))
    for at in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[at] = 1e-4
        ends = [
            literal_loss(x[0] @ moved, x[1] @ moved, labels, 4.0).sum()
            for moved in (weights + step, weights - step)
        ]
        assert float(gradient[at]) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3, abs=1e-3)


def test_a_sure_mistake_has_a_finite_loss_and_gradient():
    logits, labels = jnp.array([[200.0, -200.0, 0.0]]), jnp.array([1])
    assert float(rival_loss(logits, labels)[0]) == pytest.approx(200)
    gradient = jax.grad(lambda z: rival_loss(z, labels).sum())(logits)
    np.testing.assert_allclose(gradient, [[1, 0, -1]], atol=1e-6)


@pytest.mark.parametrize("best", [False, True])
def test_it_attacks_as_pgd_does(best):
    images = jnp.asarray(np.random.default_rng(1).uniform(0, 1, (6, 2, 2, 1)), jnp.float32)
    weights = jax.random.normal(jax.random.key(1), (4, 3))
    labels = jnp.arange(6) % 3
    attack = AttackConfig(norm="l2", eps=0.2, num_steps=3, best=best)
    found = [
        objectives.make_objective(ObjectiveConfig(name=name, attack=attack))
        .perturb(
            lambda x: x.reshape(len(x), -1) @ weights, {"image": images, "label": labels}, KEYS
        )
        .inputs
        for name in ("pgd", "mart")
    ]
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0] - images).max() > 0.05
