"""Adversarial training in the space of embeddings."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import EncoderConfig, ObjectiveConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError
from rtickets.models.bert import Bert
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import Classification, MaskedTokens, TextClassification
from rtickets.training.objectives import make_objective

KNOWN = Vocabulary(40, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
SIZES = EncoderConfig(layers=1, hidden=8, heads=2, vocabulary=40, positions=12)
PLAIN = Transform()


def rows(count=8, length=10):
    draw = np.random.default_rng(0)
    part = (np.arange(length) < draw.integers(4, length + 1, (count, 1))).astype(np.uint8)
    tokens = (draw.integers(5, 40, part.shape) * part).astype(np.int32)
    labels = np.arange(count, dtype=np.int32) % 3
    return {"tokens": tokens, "part": part, "segment": np.zeros_like(part), "label": labels}


def network(task, width):
    model = Bert(width, SIZES, make_head=task.head)
    inputs = task.input_spec(PLAIN, Split(rows()).spec)
    return model, models.initialise(model, jax.random.key(0), inputs)[0]


def objective_of(task, **settings):
    return make_objective(ObjectiveConfig(name="embeddings", features=8, **settings), task)


@pytest.mark.parametrize(
    ("task", "width"),
    [(TextClassification(vocabulary=KNOWN), 3), (MaskedTokens(vocabulary=KNOWN), 40)],
    ids=["classes", "words"],
)
@pytest.mark.parametrize("random_start", [True, False])
def test_moves_raise_the_loss_in_the_ball_and_leave_padding(task, width, random_start):
    model, params = network(task, width)
    batch = task.prepare(PLAIN, jax.tree.map(jnp.asarray, rows()))
    keys = jax.random.split(jax.random.key(1), 8)

    def outputs_fn(x):
        return models.logits(model, params, {}, task.seen(batch, x))

    def moved(eps, steps, batch=batch, keys=keys, outputs_fn=outputs_fn):
        own = objective_of(task, eps=eps, num_steps=steps, random_start=random_start)
        return jax.jit(lambda b, k: own.perturb(outputs_fn, b, k).inputs)(batch, keys)

    shift = moved(0.5, 3)["shift"]
    lengths = np.sqrt((np.asarray(shift) ** 2).sum((1, 2)))
    assert (lengths <= 0.5 * (1 + 1e-6)).all()
    asked = np.asarray(task.loss(outputs_fn(batch["tokens"]), batch))
    answerable = asked > 0
    assert (lengths[answerable] > 0.25).all()
    assert not np.asarray(shift)[batch["part"] == 0].any()
    raised = task.loss(outputs_fn(moved(0.5, 3)), batch).sum()
    assert raised > asked.sum() + 0.01
    np.testing.assert_allclose(outputs_fn(moved(0.0, 2)), outputs_fn(batch["tokens"]), atol=1e-6)


def test_a_random_start_is_as_far_in_short_texts_as_in_long_ones():
    task = TextClassification(vocabulary=KNOWN)
    model, params = network(task, 3)
    batch = {name: jnp.tile(jnp.asarray(each[:1]), (64, *[1] * (each.ndim - 1)))
             for name, each in rows().items()}  # fmt: skip
    batch["part"] = (jnp.arange(10) < jnp.repeat(jnp.array([1, 10]), 32)[:, None]).astype(jnp.uint8)
    own = objective_of(task, eps=0.5, num_steps=1, step_size=0.0)
    keys = jax.random.split(jax.random.key(2), 64)
    shift = own.perturb(
        lambda x: models.logits(model, params, {}, task.seen(batch, x)), batch, keys
    )
    lengths = np.sqrt((np.asarray(shift.inputs["shift"]) ** 2).sum((1, 2)))
    # Of a ball of d dimensions the mean is d / (d + 1), for 1 and 10 tokens of 8 features.
    np.testing.assert_allclose(lengths[:32].mean(), 0.5 * 8 / 9, atol=0.03)
    np.testing.assert_allclose(lengths[32:].mean(), 0.5 * 80 / 81, atol=0.01)


def test_two_devices_train_as_one(tiny):
    task = TextClassification(vocabulary=KNOWN)
    model, params = network(task, 3)
    small = tiny._replace(
        model=model, params=params, batch_stats={}, mask=masks.full(params), split=Split(rows(16))
    )
    own = ObjectiveConfig(name="embeddings", features=8)
    options = {"task": task, "transform": PLAIN, "objective": own}
    one, losses = small.steps(small.program(**options), 2, rate=0.1)
    devices = parallel.local_devices(2)
    two, others = small.steps(small.program(**options, devices=devices), 2, rate=0.1)
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    chex.assert_trees_all_close(one.params, two.params, rtol=1e-3, atol=1e-5)
    _, plain = small.steps(
        small.program(**{**options, "objective": ObjectiveConfig()}), 2, rate=0.1
    )
    assert losses[0] > plain[0]


def test_what_has_no_embeddings_is_refused():
    with pytest.raises(InputError, match=r"embeddings.*image.*'pgd'"):
        objective_of(Classification())
    with pytest.raises(InputError, match=r"step_size=0\.1"):
        config_files.parse(ObjectiveConfig, {"name": "embeddings", "eps": 0.0, "step_size": 0.1})
    task = TextClassification(vocabulary=KNOWN)
    model, params = network(task, 3)
    batch = jax.tree.map(jnp.asarray, rows())
    wrong = {"tokens": batch["tokens"], "shift": jnp.zeros((8, 10, 9))}
    with pytest.raises(InputError, match=r"9 features.*hidden=8.*train.objective.features"):
        models.logits(model, params, {}, task.seen(batch, wrong))
