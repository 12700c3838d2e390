import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import training
from rtickets.attacks.search import Evaluation
from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.data.images.augment import Transform
from rtickets.tasks import Classification
from rtickets.tasks.labelled import kl_divergence
from rtickets.tasks.search import make_job
from rtickets.training import objectives
from rtickets.training.objectives.trades import KlAscent

KEYS = jax.random.split(jax.random.key(0), 6)
WEIGHTS = jax.random.normal(jax.random.key(1), (4, 3))
LABELS = jnp.array([0, 1, 2, 0, 1, 2])
BALL = {"eps": 0.1, "step_size": 0.03, "num_steps": 4}


def logits_fn(x):
    return jnp.tanh(x.reshape(len(x), -1) @ WEIGHTS)


@pytest.fixture
def images():
    found = np.random.default_rng(2).uniform(0, 1, (6, 2, 2, 1)).astype(np.float32)
    found[0], found[1] = 0, 1
    return jnp.asarray(found)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def literal_loss(clean, perturbed, labels, beta):
    """Cross-entropy plus beta times the divergence, as the paper writes it."""
    p, q = softmax(np.asarray(clean, np.float64)), softmax(np.asarray(perturbed, np.float64))
    found = []
    for i, label in enumerate(labels):
        divergence = sum(p[i, k] * np.log(p[i, k] / q[i, k]) for k in range(p.shape[1]))
        found.append(-np.log(p[i, label]) + beta * divergence)
    return np.array(found)


@settings(max_examples=15, deadline=None)
@given(beta=st.floats(0, 20), seed=st.integers(0, 1000))
def test_the_loss_is_the_literal_one(beta, seed):
    clean, perturbed = np.random.default_rng(seed).normal(0, 3, (2, 6, 5)).astype(np.float32)
    labels = np.arange(6) % 5
    objective = objectives.trades(**BALL, beta=beta)
    losses, logits, stats = objective.loss(
        lambda x: (x, {"mean": x[0, 0]}),
        {"image": jnp.asarray(clean), "label": labels},
        jnp.asarray(perturbed),
    )
    expected = literal_loss(clean, perturbed, labels, beta)
    np.testing.assert_allclose(losses, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(logits, perturbed)
    assert float(stats["mean"]) == pytest.approx((clean[0, 0] + perturbed[0, 0]) / 2, rel=1e-5)


def test_both_branches_of_the_divergence_are_differentiated(images):
    objective = objectives.trades(**BALL, beta=3.0)
    perturbed = jnp.clip(images + 0.1, 0, 1)

    def loss(weights):
        def train_fn(x):
            return jnp.tanh(x.reshape(len(x), -1) @ weights), None

        return objective.loss(train_fn, {"image": images, "label": LABELS}, perturbed)[0].sum()

    gradient = jax.grad(loss)(WEIGHTS)
    for at in ((0, 0), (2, 1), (3, 2)):
        step = np.zeros((4, 3))
        step[at] = 1e-3
        ends = []
        for sign in (1, -1):
            moved = np.asarray(WEIGHTS, np.float64) + sign * step
            clean, logits = (
                np.tanh(np.asarray(x, np.float64).reshape(6, -1) @ moved)
                for x in (images, perturbed)
            )
            ends.append(literal_loss(clean, logits, np.asarray(LABELS), 3.0).sum())
        assert float(gradient[at]) == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_attack_raises_the_divergence_inside_the_ball(images, norm):
    eps = {"linf": 0.1, "l2": 0.2, "l1": 0.4}[norm]
    options = {"eps": eps, "step_size": eps / 3, "norm": norm}
    batch = {"image": images, "label": LABELS}
    found = objectives.trades(num_steps=5, **options).perturb(logits_fn, batch, KEYS).inputs
    start = objectives.trades(num_steps=0, **options).perturb(logits_fn, batch, KEYS).inputs
    moves = np.asarray(found - images, np.float64).reshape(6, -1)
    orders = {"linf": np.inf, "l2": 2, "l1": 1}
    assert (np.linalg.norm(moves, orders[norm], axis=1) <= eps * (1 + 1e-5)).all()
    assert 0 <= found.min() <= found.max() <= 1
    clean = logits_fn(images)
    before, after = (kl_divergence(logits_fn(x), clean) for x in (start, found))
    assert (after > 10 * before).all()


def test_the_start_is_a_little_gaussian_noise_and_no_attack_needs_a_label():
    middle = jnp.full((256, 8, 8, 1), 0.5)
    keys, labels = jax.random.split(jax.random.key(2), 256), jnp.zeros(256, jnp.int32)
    job = make_job(Classification(), {"image": middle, "label": labels}, keys, 0.1, 0.01)
    noise = np.asarray(KlAscent("linf", 1).start(job).x - middle)
    assert noise.std() == pytest.approx(1e-3, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=5e-5)


def test_one_step_follows_the_gradient_of_the_divergence(images):
    search = KlAscent("l2", 1)
    job = make_job(
        Classification(), {"image": images, "label": LABELS}, KEYS, 1.0, 0.01, logits_fn(images)
    )
    state = search.start(job)
    slope = jax.grad(lambda x: kl_divergence(logits_fn(x), logits_fn(images)).sum())(state.x)
    no = jnp.zeros(6, bool)
    found = Evaluation(jnp.zeros(6), slope, no, no)
    by_hand = search.move(job, state, found, jnp.zeros(6, jnp.int32))
    moved = search.step(logits_fn, job, state, jnp.zeros(6, jnp.int32))
    np.testing.assert_allclose(moved.x, by_hand.x, atol=1e-6)


def test_without_a_weight_it_trains_as_natural_training_does(tiny):
    fields = {"transform": Transform(), "statistics": "frozen"}
    config = ObjectiveConfig(name="trades", attack=AttackConfig(eps=0.05, num_steps=1), beta=0.0)
    trades, losses = tiny.steps(tiny.program(objective=config, **fields), 3)
    natural, expected = tiny.steps(tiny.program(**fields), 3)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name in ("stem_conv", "head"):
        np.testing.assert_allclose(
            trades.params[name]["kernel"], natural.params[name]["kernel"], atol=1e-5
        )


def test_the_attack_is_differentiated_with_respect_to_the_images_only(tiny):
    """A pass costs 1, a gradient in the images 2 and one in the weights as well 3."""

    def flops(objective):
        program = tiny.program(objective=objective, transform=Transform())
        state = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
        run = training.RunData(jax.random.key(0), jnp.float32(0.1))
        indices = np.arange(8, dtype=np.int32)[None, None]
        arguments = (state, tiny.mask, run, tiny.split.arrays, indices)
        compiled = training.compiled(program).lower(*arguments).compile()
        return compiled.cost_analysis()["flops"]

    config = ObjectiveConfig(name="trades", attack=AttackConfig(eps=0.05, num_steps=2))
    expected = (1 + 2 * 2 + 2 * 3) / 3
    assert flops(config) / flops(ObjectiveConfig()) == pytest.approx(expected, rel=0.12)
