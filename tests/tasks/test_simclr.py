from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from rtickets.data.images.augment import Transform
from rtickets.data.images.random_views import ViewsConfig
from rtickets.errors import InputError
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel
from rtickets.tasks import SimClr
from rtickets.tasks.contrastive import OTHER, unit
from rtickets.training.objectives import make_objective

VIEWS = ViewsConfig(crop_scale=(0.5, 1.0))
TASK = SimClr(views=VIEWS, projection=6, hidden=32)
SMOOTH = ObjectiveConfig(name="pgd", attack=AttackConfig(norm="l2", eps=0.5, num_steps=2))


def batch_of(count):
    return {"image": jnp.zeros((count, 2, 2, 1)), OTHER: jnp.zeros((count, 2, 2, 1))}


def reference(one, other, temperature):
    """-log of the softmax probability of each view's partner, (2, B): NT-Xent by its formula."""
    z = np.concatenate([one, other]).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    count, found = len(one), np.zeros(len(z))
    for i in range(len(z)):
        scores = np.exp(z @ z[i] / temperature)
        j = (i + count) % len(z)
        found[i] = -np.log(scores[j] / (scores.sum() - scores[i]))
    return found.reshape(2, count)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_the_loss_is_that_of_the_formula(temperature):
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 5, 3)).astype(np.float32)
    outputs, expected = jnp.concatenate([one, other]), reference(one, other, temperature)
    task = SimClr(temperature=temperature)
    np.testing.assert_allclose(task.loss(outputs, batch_of(5)), expected.mean(0), rtol=1e-5)
    task = SimClr(temperature=temperature, loss_form="log_of_mean")
    whole = -np.log(np.exp(-expected).mean())
    np.testing.assert_allclose(task.loss(outputs, batch_of(5)), np.full(5, whole), rtol=1e-5)


@pytest.mark.parametrize("form", ["mean_of_logs", "log_of_mean"])
def test_closed_forms(form):
    task = SimClr(temperature=0.25, loss_form=form)
    same = jnp.ones((8, 3))
    np.testing.assert_allclose(task.loss(same, batch_of(4)), np.log(7), rtol=1e-6)
    # Orthogonal images, equal views: exp(1 / t) against 2B - 2 times exp(0).
    apart = jnp.concatenate([jnp.eye(4), jnp.eye(4)])
    expected = np.log(1 + 6 * np.exp(-4))
    np.testing.assert_allclose(task.loss(apart, batch_of(4)), expected, rtol=1e-5)
    # One image has only its other view to choose.
    np.testing.assert_allclose(task.loss(apart[:2], batch_of(1)), 0, atol=1e-6)
    lengths = jnp.arange(1.0, 9.0)[:, None]
    np.testing.assert_allclose(task.loss(lengths * apart, batch_of(4)), expected, rtol=1e-5)


def test_zero_projections_have_finite_gradients():
    gradient = jax.grad(lambda z: TASK.loss(z, batch_of(2)).sum())(jnp.zeros((4, 3)))
    assert np.isfinite(gradient).all()


def test_two_views_belong_to_the_key_and_not_to_the_batch():
    raw = {"image": np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)}
    keys = jax.random.split(jax.random.key(0), 6)
    whole = TASK.augment(Transform(), keys, raw)
    part = TASK.augment(Transform(), keys[2:4], {"image": raw["image"][2:4]})
    for name in ("image", OTHER):
        np.testing.assert_allclose(whole[name][2:4], part[name], atol=1e-5)
    assert np.abs(np.asarray(whole["image"]) - whole[OTHER]).max((1, 2, 3)).min() > 1e-3
    assert TASK.seen(whole, whole["image"]).shape == (12, 8, 8, 3)
    single = TASK.prepare(Transform(), raw)
    assert TASK.seen(single, single["image"]).shape == (6, 8, 8, 3)
    with pytest.raises(InputError, match=r"simclr.*two random views"):
        TASK.loss(jnp.zeros((6, 3)), single)


@pytest.fixture(scope="module")
def contrasted(tiny):
    model = ResNet(
        (1,), BasicBlock, 6, width=4, stem="small", mean=(0.4,), std=(0.3,), make_head=TASK.head
    )
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    mask = jax.tree.map(lambda _: np.ones((), bool), params)
    return tiny._replace(model=model, params=params, batch_stats=batch_stats, mask=mask)


@pytest.mark.parametrize(
    ("objective", "form"),
    [
        (ObjectiveConfig(), "mean_of_logs"),
        (ObjectiveConfig(), "log_of_mean"),
        (SMOOTH, "mean_of_logs"),
    ],
    ids=["natural", "log_of_mean", "pgd"],
)
def test_any_number_of_devices_trains_the_same(contrasted, objective, form):
    task = replace(TASK, loss_form=form)
    found = {}
    for count in (1, 2):
        program = contrasted.program(
            objective=objective, task=task, transform=Transform(), batch_size=8,
            devices=parallel.local_devices(count), input_shape=(8, 8, 1),
        )  # fmt: skip
        state, losses = contrasted.steps(program, 2, rate=0.05)
        found[count] = state.params, state.batch_stats, losses
    chex.assert_trees_all_equal_shapes(found[1][0], contrasted.params)
    assert (
        np.abs(found[1][0]["stem_conv"]["kernel"] - contrasted.params["stem_conv"]["kernel"]).max()
        > 1e-3
    )
    chex.assert_trees_all_close(found[1], found[2], atol=2e-4)


def test_a_step_follows_the_gradient_of_the_formula(contrasted):
    rate = 0.05
    program = contrasted.program(
        task=TASK, transform=Transform(), statistics="frozen", input_shape=(8, 8, 1),
        optimizer=OptimizerConfig(momentum=0.0, weight_decay=0.0, schedule="constant"),
        devices=parallel.local_devices(2),
    )  # fmt: skip
    state, losses = contrasted.steps(program, 1, rate=rate)
    keys = jax.vmap(
        lambda i: jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.key(5), 0), i))
    )(np.arange(8))
    batch = TASK.augment(Transform(), keys[:, 0], {"image": contrasted.split.images[:8]})

    def loss(params):
        z = [
            unit(models.logits(contrasted.model, params, contrasted.batch_stats, batch[name]))
            for name in ("image", OTHER)
        ]
        z = jnp.concatenate(z)
        scores = jnp.exp(z @ z.T / TASK.temperature) * (1 - jnp.eye(16))
        right = scores[jnp.arange(16), (jnp.arange(16) + 8) % 16]
        return -jnp.log(right / scores.sum(1)).mean()

    value, slope = jax.jit(jax.value_and_grad(loss))(contrasted.params)
    np.testing.assert_allclose(losses[0], value, rtol=1e-4)
    expected = jax.tree.map(lambda w, g: w - rate * g, contrasted.params, slope)
    chex.assert_trees_all_close(state.params, expected, atol=1e-5)


def test_an_attack_raises_the_loss_of_the_whole_batch(contrasted):
    objective = make_objective(SMOOTH, TASK)
    raw = {"image": contrasted.split.images[:4]}
    keys = jax.random.split(jax.random.key(1), 4)
    batch = TASK.augment(Transform(), keys, raw)

    def outputs(x):
        seen = TASK.seen(batch, x)
        return models.logits(contrasted.model, contrasted.params, contrasted.batch_stats, seen)

    changed = objective.perturb(outputs, batch, keys).inputs
    before, after = (TASK.loss(outputs(x), batch).mean() for x in (batch["image"], changed))
    assert after > before
    away = np.linalg.norm(np.asarray(changed - batch["image"]).reshape(4, -1), axis=1)
    assert away.max() <= 0.5 + 1e-5
    assert np.asarray(changed).min() >= 0
    assert np.asarray(changed).max() <= 1


def test_what_does_not_go_together_is_said():
    (said,) = TASK.conflicts(TrainConfig(accumulate=2))
    assert "accumulate=2" in said
    fast = ObjectiveConfig(name="fast", attack=AttackConfig(name="fgsm_rs"))
    (said,) = TASK.conflicts(TrainConfig(objective=fast))
    assert "'fast'" in said
    assert not list(TASK.conflicts(TrainConfig(objective=SMOOTH)))
    for name in ("trades", "mart"):
        with pytest.raises(InputError, match=f"{name}.*SimClr"):
            make_objective(ObjectiveConfig(name=name, attack=AttackConfig()), TASK)
