"""Masked tokens: what is hidden, and how answers are judged."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import EncoderConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError, NothingCountedError
from rtickets.models.bert import Bert
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import MaskedTokens
from rtickets.tasks.masked_tokens import HIDDEN, WORD

KNOWN = Vocabulary(60, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
TASK = MaskedTokens(vocabulary=KNOWN)
PLAIN = Transform()


def rows(count, length=16, padded=0):
    tokens = np.random.default_rng(0).integers(5, 60, (count, length)).astype(np.int32)
    tokens[:, 0], tokens[:, -1] = KNOWN.start, KNOWN.end
    tokens = np.pad(tokens, ((0, 0), (0, padded)), constant_values=KNOWN.padding)
    part = np.pad(np.ones((count, length), np.uint8), ((0, 0), (0, padded)))
    return {"tokens": tokens, "part": part, "segment": np.zeros_like(part)}


def test_what_is_hidden_follows_the_published_shares():
    raw = jax.tree.map(jnp.asarray, rows(4000, padded=4))
    keys = jax.random.split(jax.random.key(0), 4000)
    batch = jax.jit(lambda keys, raw: TASK.augment(PLAIN, keys, raw))(keys, raw)
    hidden, seen, before = (np.asarray(batch[name]) for name in (HIDDEN, "tokens", WORD))
    ordinary = ~np.isin(before, KNOWN.special)
    assert not hidden[~ordinary].any()
    np.testing.assert_array_equal(seen[~hidden], before[~hidden])
    count, among = hidden.sum(), ordinary.sum()

    def near(share, expected, total):
        return abs(share - expected) < 5 * (expected * (1 - expected) / total) ** 0.5

    assert near(count / among, 0.15, among)
    masked, same = (seen == KNOWN.hidden)[hidden], (seen == before)[hidden]
    assert near(masked.mean(), 0.8 + 0.1 / 60, count)
    assert near(same.mean(), 0.1 + 0.1 / 60, count)
    swapped = seen[hidden & (seen != before) & (seen != KNOWN.hidden)]
    assert len(np.unique(swapped)) > 50
    by_place = hidden.mean(0)[1:15]
    assert all(near(each, 0.15, 4000) for each in by_place)


def test_training_hides_others_each_time_and_evaluation_the_same():
    raw = rows(8)
    keys = jax.random.split(jax.random.key(0), 16)
    one, other = (TASK.augment(PLAIN, part, raw) for part in (keys[:8], keys[8:]))
    assert (one[HIDDEN] != other[HIDDEN]).any()
    whole = TASK.prepare(PLAIN, raw)
    alone = TASK.prepare(PLAIN, {name: each[3:5] for name, each in raw.items()})
    chex.assert_trees_all_equal(alone, {name: each[3:5] for name, each in whole.items()})
    padded = TASK.prepare(PLAIN, rows(8, padded=5))
    for name in (HIDDEN, "tokens"):
        np.testing.assert_array_equal(padded[name][:, :16], whole[name])
    swapped = TASK.prepare(PLAIN, {**raw, "tokens": raw["tokens"][:, ::-1]})
    assert (swapped[HIDDEN] != whole[HIDDEN]).any()


def answered(count=6, padded=0):
    batch = TASK.prepare(PLAIN, jax.tree.map(jnp.asarray, rows(count, padded=padded)))
    outputs = jax.random.normal(jax.random.key(0), (count, 16, 60))
    return jnp.pad(outputs, ((0, 0), (0, padded), (0, 0)), constant_values=9.0), batch


def test_the_loss_is_the_mean_over_asked_tokens():
    outputs, batch = answered()
    asked, words = np.asarray(batch[HIDDEN]), np.asarray(batch[WORD])
    log_p = np.asarray(jax.nn.log_softmax(outputs))
    expected = -np.take_along_axis(log_p, words[..., None], -1)[..., 0][asked].mean()
    assert TASK.loss(outputs, batch).mean() == pytest.approx(expected, rel=1e-5)
    padded = TASK.loss(*answered(padded=4))
    np.testing.assert_allclose(padded, TASK.loss(outputs, batch), rtol=1e-6)
    found = TASK.measures(TASK.sums(outputs, batch))
    assert found["perplexity"].value == pytest.approx(np.exp(expected), rel=1e-5)
    right = (np.asarray(outputs).argmax(-1) == words)[asked].mean()
    assert found["masked_accuracy"].value == pytest.approx(right)
    for each in found.values():
        assert each.low <= each.value <= each.high


def test_nothing_asked_counts_nothing():
    outputs, batch = answered()
    nothing = {**batch, HIDDEN: jnp.zeros_like(batch[HIDDEN])}
    assert not TASK.loss(outputs, nothing).any()
    with pytest.raises(NothingCountedError):
        TASK.measures(TASK.sums(outputs, nothing))


def test_two_devices_train_as_one(tiny):
    sizes = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=60, positions=16)
    model = Bert(60, sizes, make_head=TASK.head)
    split = Split(rows(16))
    inputs = TASK.input_spec(PLAIN, split.spec)
    assert (inputs[0].values, inputs[0].of) == (60, "tokens (d)")
    params, _ = models.initialise(model, jax.random.key(0), inputs)
    small = tiny._replace(
        model=model, params=params, batch_stats={}, mask=masks.full(params), split=split
    )
    options = {"task": TASK, "transform": PLAIN}
    one, losses = small.steps(small.program(**options), 3, rate=0.5)
    two, others = small.steps(
        small.program(**options, devices=parallel.local_devices(2)), 3, rate=0.5
    )
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    chex.assert_trees_all_close(one.params, two.params, rtol=1e-4, atol=1e-6)
    assert losses[0] == pytest.approx(np.log(60), abs=0.2)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match=r"masked=0.8.*random=0.3"):
        config_files.parse(MaskedTokens, {"name": "masked_tokens", "random": 0.3})
    assert hash(TASK) == hash(config_files.parse(MaskedTokens, config_files.to_dict(TASK)))
