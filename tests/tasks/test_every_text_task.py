"""What holds for every task on texts: padding changes neither losses nor gradients nor sums."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.config import EncoderConfig
from rtickets.data.images.augment import Transform
from rtickets.data.task_settings import TaskConfig
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.models.bert import TEXT_INPUTS, Bert
from rtickets.models.inputs import Input
from rtickets.tasks import (
    TASKS,
    MaskedTokens,
    QuestionAnswering,
    TextClassification,
    TextRegression,
    TokenClassification,
)

KNOWN = Vocabulary(40, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
WIDTHS = {
    MaskedTokens: 40, TextClassification: 3, TextRegression: 1, TokenClassification: 3,
    QuestionAnswering: 2,
}  # fmt: skip
COUNT, LENGTH, MORE = 4, 8, 3


def stored(padded):
    """Return rows of different texts with all that any task asks of them."""
    rng = np.random.default_rng(0)
    there = (np.arange(LENGTH) < np.array([[8], [6], [4], [8]])).astype(np.uint8)
    tags = np.where(there > 0, rng.integers(-1, 3, there.shape), -1).astype(np.int32)

    def wide(array, fill=0):
        return np.pad(array, ((0, 0), (0, padded)), constant_values=fill)

    return {
        "tokens": wide((rng.integers(5, 40, there.shape) * there).astype(np.int32)),
        "part": wide(there), "segment": wide(there * (np.arange(LENGTH) > 2).astype(np.uint8)),
        "label": np.array([0, 1, 2, 1], np.int32), "value": np.array([0, 1, 2, 3], np.float32),
        "tags": wide(tags, -1), "first": np.array([1, 0, 2, 3], np.int32),
        "last": np.array([2, 0, 2, 5], np.int32),
    }  # fmt: skip


def test_no_task_on_texts_is_left_out():
    of_texts = {name for name, task in TASKS.items() if set(TEXT_INPUTS) <= set(task.inputs)}
    assert of_texts == {kind(vocabulary=KNOWN).name for kind in WIDTHS}
    assert all(issubclass(kind, TaskConfig) for kind in WIDTHS)


@pytest.mark.parametrize("kind", WIDTHS, ids=lambda kind: kind.__name__)
def test_padding_changes_nothing_that_is_trained_or_counted(kind):
    task = kind(vocabulary=KNOWN)
    sizes = EncoderConfig(layers=1, hidden=8, heads=2, vocabulary=40, positions=16)
    model = Bert(WIDTHS[kind], sizes, make_head=task.head)
    inputs = tuple(Input(name, (LENGTH,), "int32") for name in TEXT_INPUTS)
    params, _ = models.initialise(model, jax.random.key(0), inputs)

    def judged(params, raw):
        batch = task.prepare(Transform(), raw)
        seen = task.seen(batch, batch[task.input])
        outputs = models.logits(model, params, {}, seen)
        losses = task.loss(outputs, batch)
        return losses.mean(), (losses, task.sums(outputs, batch))

    run = jax.jit(jax.value_and_grad(judged, has_aux=True))
    plain, padded = (run(params, jax.tree.map(jnp.asarray, stored(n))) for n in (0, MORE))
    assert plain[0][0] > 0
    chex.assert_trees_all_close(plain, padded, rtol=1e-4, atol=1e-6)
