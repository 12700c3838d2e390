from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from rtickets.data.images.augment import Transform
from rtickets.data.images.random_views import ViewsConfig
from rtickets.draw import draw_omp
from rtickets.errors import InputError
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel
from rtickets.tasks import Moco
from rtickets.tasks.contrastive import OTHER
from rtickets.tasks.moco import KEY, QUEUE
from rtickets.training.objectives import make_objective

TASK = Moco(
    views=ViewsConfig(crop_scale=(0.5, 1.0)), projection=6, hidden=32, queue=20, momentum=0.75
)
SMOOTH = ObjectiveConfig(name="pgd", attack=AttackConfig(norm="l2", eps=0.5, num_steps=1))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_the_loss_is_that_of_the_formula():
    generator = np.random.default_rng(0)
    queries, keys = generator.normal(size=(2, 5, 3))
    queue = unit(generator.normal(size=(7, 3)))
    batch = {"image": np.zeros((5, 2, 2, 1)), OTHER: None, KEY: keys, QUEUE: queue}
    right = np.exp((unit(queries) * unit(keys)).sum(1) / 0.2)
    wrong = np.exp(unit(queries) @ queue.T / 0.2).sum(1)
    expected = -np.log(right / (right + wrong))
    np.testing.assert_allclose(Moco().loss(jnp.asarray(queries), batch), expected, rtol=1e-5)
    # Keys that are the queries, a queue at right angles: exp(1 / t) against 7.
    apart = {**batch, KEY: np.eye(3)[[0] * 5], QUEUE: np.eye(3)[[1] * 7]}
    found = Moco(temperature=0.5).loss(jnp.eye(3)[jnp.zeros(5, int)], apart)
    np.testing.assert_allclose(found, np.log(1 + 7 * np.exp(-2)), rtol=1e-5)


def test_the_published_settings():
    task = Moco()
    assert (task.projection, task.queue, task.momentum) == (128, 65536, 0.999)
    assert (task.temperature, task.layers) == (0.2, 2)
    queue = task.memory.start({}, {})["queue"]
    assert queue.shape == (65536, 128)
    np.testing.assert_allclose(np.linalg.norm(queue[:50], axis=1), 1, rtol=1e-5)


@pytest.fixture(scope="module")
def contrasted(tiny):
    model = ResNet(
        (1,), BasicBlock, 6, width=4, stem="small", mean=(0.4,), std=(0.3,), make_head=TASK.head
    )
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    mask = draw_omp(params, 0.5)
    params = masks.apply(mask, params)
    return tiny._replace(model=model, params=params, batch_stats=batch_stats, mask=mask)


def program_of(contrasted, **changes):
    settings = {"task": TASK, "transform": Transform(), "input_shape": (8, 8, 1)}
    return contrasted.program(**{**settings, **changes})


def views_of(contrasted, step, count=8):
    """The views of a step of the fixture, made one by one."""
    key = jax.random.fold_in(jax.random.key(5), step)
    keys = jnp.stack([jax.random.split(jax.random.fold_in(key, i))[0] for i in range(count)])
    chosen = (np.arange(count) + 7 * step) % len(contrasted.split)
    raw = {"image": contrasted.split.images[chosen]}
    return jax.jit(lambda keys, raw: TASK.augment(Transform(), keys, raw))(keys, raw)


def test_the_key_encoder_and_the_queue_follow_their_rules(contrasted):
    program = program_of(contrasted, statistics="frozen")
    states = [contrasted.steps(program, count, rate=0.1)[0] for count in (1, 2)]
    params = [contrasted.params, states[0].params]
    held = contrasted.params  # a running average that begins at the network
    keys = []
    for step, state in enumerate(states):
        held = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, held, params[step])
        chex.assert_trees_all_close(state.carry["weights"], held, atol=1e-6)
        other = views_of(contrasted, step)[OTHER]
        answers = models.logits(contrasted.model, held, contrasted.batch_stats, other)
        keys.append(unit(np.asarray(answers)))
    chex.assert_trees_all_close(states[1].carry["queue"][-16:], np.concatenate(keys), atol=1e-4)
    first = TASK.memory.start(contrasted.params, {})["queue"]
    np.testing.assert_array_equal(states[1].carry["queue"][:4], first[16:])


def test_one_mask_is_on_both_encoders(contrasted):
    state, _ = contrasted.steps(program_of(contrasted), 3)
    for weights in (state.params, state.carry["weights"]):
        chex.assert_trees_all_equal(weights, masks.apply(contrasted.mask, weights))
    # A mask that is put on later holds for the average of before, too.
    narrower = draw_omp(state.params, 0.8)
    memory, weights = TASK.memory, masks.apply(narrower, state.params)
    moved = memory.advance(state.carry, weights, narrower)["weights"]
    chex.assert_trees_all_equal(moved, masks.apply(narrower, moved))


@pytest.mark.parametrize("objective", [ObjectiveConfig(), SMOOTH], ids=["natural", "pgd"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_devices_train_as_one(contrasted, objective, accumulate):
    found = []
    for count in (1, 2):
        program = program_of(
            contrasted, objective=objective, accumulate=accumulate,
            devices=parallel.local_devices(count),
        )  # fmt: skip
        state, losses = contrasted.steps(program, 2, rate=0.05)
        found.append((state.params, state.batch_stats, state.carry, losses))
    chex.assert_trees_all_close(*found, atol=2e-4)


def test_shuffling_changes_whose_statistics_a_key_is_made_with(contrasted):
    found = {}
    for how in ("batch", "shuffled"):
        task = replace(TASK, key_statistics=how)
        for count, sync in ((2, False), (1, True), (2, True)):
            program = program_of(
                contrasted, task=task, sync_statistics=sync, devices=parallel.local_devices(count)
            )
            found[how, count, sync] = contrasted.steps(program, 1, rate=0.05)[0].carry["queue"]
    own, shuffled = found["batch", 2, False], found["shuffled", 2, False]
    assert np.abs(own - shuffled).max() > 1e-3
    # Where all see the whole batch, its order changes nothing.
    for count in (1, 2):
        np.testing.assert_allclose(
            found["shuffled", count, True], found["batch", 1, True], atol=1e-4
        )


def test_what_does_not_go_together_is_said():
    task = replace(TASK, key_statistics="shuffled")
    (said,) = task.conflicts(TrainConfig())
    assert "sync_statistics=False" in said
    assert not list(task.conflicts(TrainConfig(sync_statistics=False, accumulate=2)))
    free = ObjectiveConfig(name="free", attack=AttackConfig(name="fgsm"))
    with pytest.raises(InputError, match=r"'free'.*'moco'.*'pgd'"):
        make_objective(free, TASK)


def test_a_state_starts_at_the_network(contrasted):
    program = program_of(contrasted, optimizer=OptimizerConfig(learning_rate=0.0))
    state = training.init_state(program, contrasted.params, contrasted.batch_stats, contrasted.mask)
    chex.assert_trees_all_equal(state.carry["weights"], state.params)
    chex.assert_trees_all_equal(state.carry["batch_stats"], contrasted.batch_stats)
