from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import training
from rtickets.attacks.projections import l2_norm
from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.training import objectives
from rtickets.training.batches import batch_indices

SHAPE = (8, 8, 1)


def config(eps, replays=2, norm="linf"):
    attack = AttackConfig(name="fgsm", eps=eps, norm=norm)
    return ObjectiveConfig(name="free", attack=attack, replays=replays)


def test_the_perturbation_moves_as_in_the_paper():
    """Algorithm 1: add eps times the sign, then clip to the ball."""
    carry = objectives.free(eps=0.1).carry
    perturbation = jnp.array([0.0, 0.05, -0.1, 0.1]).reshape(1, 2, 2, 1)
    gradient = jnp.array([-2.0, 1e-9, -3.0, 0.0]).reshape(1, 2, 2, 1)
    moved, broken = carry.move(perturbation, gradient)
    assert not broken.any()
    np.testing.assert_allclose(moved.ravel(), [-0.1, 0.1, -0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_perturbation_stays_in_the_ball_and_images_in_range(norm):
    carry = objectives.free(eps=0.5, norm=norm).carry
    generator = np.random.default_rng(0)
    perturbation = jnp.zeros((5, 4, 4, 1))
    for _ in range(6):
        gradient = generator.normal(size=perturbation.shape)
        gradient[0] = 0
        perturbation, _ = carry.move(perturbation, jnp.asarray(gradient, jnp.float32))
        length = np.abs(perturbation).max((1, 2, 3)) if norm == "linf" else l2_norm(perturbation)
        assert (np.ravel(length) <= 0.5 * (1 + 1e-6)).all()
    np.testing.assert_array_equal(perturbation[0], 0)
    images = jnp.asarray(generator.uniform(0, 1, perturbation.shape), jnp.float32)
    perturbed = carry.add(images, perturbation)
    assert 0 <= perturbed.min() <= perturbed.max() <= 1
    np.testing.assert_array_equal(perturbed[0], images[0])


def test_an_entry_that_is_not_finite_moves_nothing_and_is_told():
    gradient = jnp.array([[jnp.nan, -jnp.inf], [0.0, jnp.nan], [1.0, 2.0]]).reshape(3, 1, 2, 1)
    moved, broken = objectives.free(eps=0.1).carry.move(jnp.zeros_like(gradient), gradient)
    np.testing.assert_allclose(moved.reshape(3, 2), [[0, 0], [0, 0], [0.1, 0.1]])
    np.testing.assert_array_equal(broken, [True, True, False])


def test_no_radius_and_no_replays_is_natural_training(tiny):
    free = tiny.program(objective=config(0.0, replays=1), input_shape=SHAPE)
    found, losses = tiny.steps(free, 4)
    natural, expected = tiny.steps(tiny.program(), 4)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name in ("stem_conv", "head"):
        np.testing.assert_allclose(
            found.params[name]["kernel"], natural.params[name]["kernel"], atol=1e-5
        )
    np.testing.assert_array_equal(found.carry, 0)


def loss_of(tiny, params, stats, x, labels):
    model = tiny.model
    logits, _ = model.apply({"params": params, "batch_stats": stats}, x, True, mutable=True)
    return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()


def test_perturbations_are_carried_over_replays_and_batches_by_position(tiny):
    """Every step's perturbation is the one before, moved by the gradient at the step before."""
    program = tiny.program(objective=config(0.03), transform=Transform(), input_shape=SHAPE)
    slope = jax.jit(jax.grad(partial(loss_of, tiny), 2))
    before, _ = tiny.steps(program, 1)
    start = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
    assert (np.asarray(start.carry) == 0).all()
    for step in range(3):
        state = start if step == 0 else before
        after, _ = tiny.steps(program, step + 1)
        chosen = (np.arange(8) + 7 * step) % 48  # the batches of the fixture differ at every step
        x = np.clip(tiny.split.images[chosen] / np.float32(255) + state.carry, 0, 1)
        gradient = slope(state.params, state.batch_stats, x, tiny.split.labels[chosen])
        expected = np.clip(state.carry + 0.03 * np.sign(gradient), -0.03, 0.03)
        sure = np.abs(gradient) > 1e-5
        assert sure.mean() > 0.7
        np.testing.assert_allclose(after.carry[sure], expected[sure], atol=1e-6)
        before = after


def test_replays_are_augmented_alike_and_batches_are_not(tiny):
    """Without a radius and under frozen statistics only the augmentation moves a batch's loss."""
    program = tiny.program(objective=config(0.0, replays=3), input_shape=SHAPE, statistics="frozen")
    start = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
    run = training.RunData(jax.random.key(5), np.float32(0))
    indices = np.arange(8, dtype=np.int32)[None, None]
    losses = []
    for step in range(6):
        state = start._replace(step=jnp.int32(step))
        fixed = parallel.replicate((state, tiny.mask, run, tiny.split.arrays), program.devices)
        losses.append(float(training.compiled(program)(*fixed, indices)[1].loss))
    assert losses[0] == losses[1] == losses[2] != losses[3] == losses[4] == losses[5]


def test_a_step_costs_what_a_natural_one_does(tiny):
    def flops(objective):
        program = tiny.program(objective=objective, transform=Transform(), input_shape=SHAPE)
        step = partial(training.train_step, program)
        state = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
        run = training.RunData(jax.random.key(0), jnp.float32(0.1))
        mapped = jax.vmap(step, in_axes=None, axis_name=parallel.AXIS, axis_size=1, out_axes=None)
        lowered = jax.jit(mapped).lower(state, tiny.mask, run, tiny.split.take(np.arange(8)).arrays)
        return lowered.compile().cost_analysis()["flops"]

    assert flops(config(0.03)) == pytest.approx(flops(ObjectiveConfig()), rel=0.1)


def test_every_batch_is_taken_as_often_as_it_is_replayed():
    once = batch_indices(23, 4, seed=3, start=0, stop=7)
    whole = batch_indices(23, 4, seed=3, start=0, stop=21, replays=3)
    np.testing.assert_array_equal(whole, np.repeat(once, 3, axis=0))
    parts = [
        batch_indices(23, 4, seed=3, start=a, stop=b, replays=3)
        for a, b in ((0, 1), (1, 5), (5, 16), (16, 21))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_simplex_ball_is_refused():
    with pytest.raises(InputError, match="norm='l1'"):
        objectives.free(eps=1.0, norm="l1")
