"""Classes of words: what is asked and how it is judged; padding and devices change nothing."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import EncoderConfig
from rtickets.data import Raw, Split
from rtickets.data.images.augment import Transform
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError, NothingCountedError
from rtickets.models.bert import Bert
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import TokenClassification

KNOWN = Vocabulary(60, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
TASK = TokenClassification(vocabulary=KNOWN)
NAMES = ("O", "B-a", "I-a", "B-b", "I-b")
loss = jax.jit(TASK.loss)
sums_of = jax.jit(lambda task, outputs, batch: task.sums(outputs, batch), static_argnums=0)


def rows(count, length=10, padded=0):
    rng = np.random.default_rng(0)
    shape = ((0, 0), (0, padded))
    part = np.pad(np.ones((count, length), np.uint8), shape)
    tags = rng.integers(0, 5, (count, length)).astype(np.int32)
    tags[:, 0] = tags[:, -1] = -1
    tags[rng.random(tags.shape) < 0.3] = -1
    return {
        "tokens": np.pad(rng.integers(5, 60, (count, length)).astype(np.int32), shape),
        "part": part, "segment": np.zeros_like(part),
        "tags": np.pad(tags, shape, constant_values=-1),
    }  # fmt: skip


def answered(count=6, padded=0):
    batch = jax.tree.map(jnp.asarray, rows(count, padded=padded))
    outputs = jax.random.normal(jax.random.key(0), (count, 10, 5))
    return jnp.pad(outputs, ((0, 0), (0, padded), (0, 0)), constant_values=9.0), batch


def test_the_loss_is_the_mean_over_words():
    outputs, batch = answered()
    tags = np.asarray(batch["tags"])
    log_p = np.asarray(jax.nn.log_softmax(outputs))
    expected = -np.take_along_axis(log_p, np.maximum(tags, 0)[..., None], -1)[..., 0][
        tags >= 0
    ].mean()
    assert loss(outputs, batch).mean() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(loss(*answered(padded=4)), loss(outputs, batch), rtol=1e-6)
    padded, plain = (sums_of(TASK, *answered(padded=n)) for n in (4, 0))
    chex.assert_trees_all_equal(padded, plain)
    right = (np.asarray(outputs).argmax(-1) == tags)[tags >= 0].mean()
    assert TASK.measures(plain)["accuracy"].value == pytest.approx(right)


def judged(true, answers, **settings):
    true = np.array([[NAMES.index(tag) for tag in true.split()]], np.int32)
    outputs = 5 * jax.nn.one_hot(np.array([[NAMES.index(tag) for tag in answers.split()]]), 5)
    task = TokenClassification(vocabulary=KNOWN, **settings)
    sums = sums_of(task, outputs, {"tags": true})
    return {name: each.value for name, each in task.measures(sums).items()}


def test_f1_is_that_of_entities():
    found = judged("B-a I-a O B-b O B-a", "B-a I-a O B-b I-b O")
    assert found["precision"] == pytest.approx(1 / 2)
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(2 / 5)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert judged("B-a I-a", "I-a I-a")["f1"] == 1
    assert judged("B-a I-a", "I-a I-a", scheme="strict")["f1"] == 0
    assert judged("B-a I-a", "O O")["f1"] == 0
    assert set(judged("B-a", "O", metric="accuracy")) == {"accuracy"}
    assert judged("O O", "O O", metric="accuracy")["accuracy"] == 1
    with pytest.raises(NothingCountedError, match="entity"):
        judged("O O", "O O")


def test_an_answer_that_is_no_number_is_no_entity_and_not_right():
    outputs, batch = answered()
    sums = sums_of(TASK, jnp.full_like(outputs, jnp.nan), batch)
    assert TASK.measures(sums)["f1"].value == 0
    assert TASK.measures(sums)["accuracy"].value == 0


def raw(names=NAMES, **changes):
    return Raw(Split({**rows(4), **changes}), None, tuple(names))


def test_tags_are_checked():
    assert TASK.check(raw(), "mine") == ()
    with pytest.raises(InputError, match=r"mine.*NN.*data.task.metric='accuracy'"):
        TASK.check(raw(("ADJ", "NN", "VB", "X", "Y")), "mine")
    words = TokenClassification(metric="accuracy")
    assert words.check(raw(("ADJ", "NN", "VB", "X", "Y")), "mine") == ()
    assert "unseen" in words.check(raw(("ADJ", "NN", "VB", "X", "Y", "unseen")), "mine")[0]
    with pytest.raises(InputError, match=r"mine: train.*4.*to 2"):
        TASK.check(raw(("O", "B-a", "I-a")), "mine")
    with pytest.raises(InputError, match="no word is asked"):
        TASK.check(raw(tags=np.full((4, 10), -1, np.int32)), "mine")
    with pytest.raises(InputError, match="tagged"):
        TASK.check(Raw(Split({"tokens": np.zeros((1, 2))}), None), "mine")
    assert hash(TASK) == hash(config_files.parse(TokenClassification, config_files.to_dict(TASK)))


def test_two_devices_train_as_one(tiny):
    sizes = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=60, positions=16)
    model = Bert(5, sizes, make_head=TASK.head)
    split = Split(rows(16))
    inputs = TASK.input_spec(Transform(), split.spec)
    params, _ = models.initialise(model, jax.random.key(0), inputs)
    small = tiny._replace(
        model=model, params=params, batch_stats={}, mask=masks.full(params), split=split
    )
    options = {"task": TASK, "transform": Transform()}
    one, losses = small.steps(small.program(**options), 3, rate=0.5)
    two, others = small.steps(
        small.program(**options, devices=parallel.local_devices(2)), 3, rate=0.5
    )
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    chex.assert_trees_all_close(one.params, two.params, rtol=1e-4, atol=1e-6)
    assert losses[0] == pytest.approx(np.log(5), abs=0.2)
