"""Questions about texts: SQuAD's measures, the best span, and what padding and devices change."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets import masks, models
from rtickets.config import EncoderConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.evaluation import Network, judge, on_devices
from rtickets.evaluation.counting import counted
from rtickets.models.bert import Bert
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import QuestionAnswering
from rtickets.tasks.answer_overlap import exact_match, normalised, overlap_f1
from rtickets.tasks.question_answering import answered
from rtickets.tasks.spans import best_spans

KNOWN = Vocabulary(60, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
TASK = QuestionAnswering(vocabulary=KNOWN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat, an\tOtter & the dog!", "cat otter dog"),
        ("Theatre an apple", "theatre apple"),  # articles are words
        ("a-b", "ab"),  # punctuation goes before articles do
        ("the.cat", "thecat"),
        ("A (the) an", ""),
        ("don\u2019t", "don\u2019t"),  # of ASCII alone
        ("1,000", "1000"),
        ("\u00a0the\u00a0\u00dcber\u00a0", "\u00fcber"),
    ],
)
def test_texts_are_compared_without_what_does_not_matter(text, expected):
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("the Denver Broncos", ["Denver Broncos"], True, 1.0),
        ("Denver", ["Denver Broncos"], False, 2 / 3),
        ("Denver Broncos won", ["Denver Broncos", "The Broncos"], False, 0.8),
        ("Broncos", ["Denver Broncos", "The Broncos"], True, 1.0),
        ("two two three", ["two three three"], False, 2 / 3),  # as often as each is there
        ("", ["Denver"], False, 0.0),
        ("the", ["a"], True, 0.0),  # without words there is nothing in common
        ("1,000", ["1000"], True, 1.0),
    ],
)
def test_measures_are_those_of_the_evaluation_of_squad(answer, right, exact, f1):
    assert exact_match(answer, right) is exact
    assert overlap_f1(answer, right) == pytest.approx(f1)


words = st.lists(st.sampled_from(["the", "a", "cat", "dog", "Cat,", "x"]), max_size=6).map(" ".join)


@given(words, st.lists(words, min_size=1, max_size=3))
def test_measures_of_any_texts(answer, right):
    f1 = overlap_f1(answer, right)
    assert 0 <= f1 <= 1
    assert f1 == max(overlap_f1(answer, [one]) for one in right)
    assert exact_match(answer, right) == any(exact_match(answer, [one]) for one in right)
    assert overlap_f1(answer, right[:1]) == pytest.approx(overlap_f1(right[0], [answer]))
    if exact_match(answer, right) and normalised(answer):
        assert f1 == 1
    assert normalised(normalised(answer)) == normalised(answer)


def best(scores, begin, end, candidates, longest):
    return best_spans(scores, begin, end, candidates=candidates, longest=longest)


run = jax.jit(best, static_argnums=(3, 4))


@given(st.integers(0, 10_000), st.sampled_from([1, 4, 12, 20]), st.integers(1, 5))
def test_the_best_span_is_that_of_all_pairs(seed, candidates, longest):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(48).reshape(2, 12, 2).astype(np.float32)
    scores[..., 1] += 0.25
    begin, end = rng.random((2, 2, 12)) < 0.6
    found = run(scores, begin, end, candidates, longest)
    for row in range(2):
        firsts = sorted(np.flatnonzero(begin[row]), key=lambda k: -scores[row, k, 0])[:candidates]
        lasts = sorted(np.flatnonzero(end[row]), key=lambda k: -scores[row, k, 1])[:candidates]
        pairs = [(scores[row, i, 0] + scores[row, j, 1], i, j)
                 for i in firsts for j in lasts if 0 <= j - i < longest]  # fmt: skip
        if not pairs:
            assert found.score[row] == -np.inf
            continue
        score = max(pairs)[0]
        assert found.score[row] == score
        chosen = int(found.first[row]), int(found.last[row])
        assert chosen in {pair[1:] for pair in pairs if pair[0] == score}


def test_scores_that_are_no_numbers_are_the_worst():
    scores = jnp.array([[[jnp.nan, 1.0], [2.0, jnp.nan], [1.0, 3.0]]])
    there = jnp.ones((1, 3), bool)
    found = run(scores, there, there, 3, 3)
    assert (int(found.first[0]), int(found.last[0]), float(found.score[0])) == (1, 2, 5.0)
    assert run(scores.at[:].set(jnp.nan), there, there, 3, 3).score[0] == -jnp.inf


def windows(padded=0):
    """Return three windows of two questions, of texts of two words."""
    readable = np.array([[0, 0, 2, 2, 0], [0, 0, 1, 2, 0], [0, 0, 2, 2, 0]], np.uint8)
    places = np.array([0, 0, 0, 3, 0], np.uint16)
    texts = np.array([list(b"one two"), list(b"two six"), list(b"ten red")], np.uint8)
    answers = np.array([list(b"two\xfftwo!"), list(b"two\xfftwo!"), list(b"ten red\xff")], np.uint8)

    def wide(array):
        return np.pad(array, ((0, 0), (0, padded)))

    part = np.ones((3, 5), np.uint8)
    return {
        "tokens": wide(np.arange(15).reshape(3, 5).astype(np.int32) + 5),
        "part": wide(part), "segment": wide(part), "readable": wide(readable),
        "question": np.array([0, 0, 1], np.int32),
        "first": np.array([3, 2, 2], np.int32), "last": np.array([3, 2, 3], np.int32),
        "begins": wide(np.tile(np.where(places > 0, 4, 0), (3, 1)).astype(np.uint16)),
        "ends": wide(np.tile(np.array([0, 0, 3, 7, 0]), (3, 1)).astype(np.uint16)),
        "text": texts, "answers": np.pad(answers, ((0, 0), (0, 2)), constant_values=255),
    }  # fmt: skip


def scored(*spans, padded=0):
    """Return outputs whose best spans are these: (first, last, score)."""
    outputs = np.full((len(spans), 5 + padded, 2), -9.0, np.float32)
    for row, (first, last, score) in enumerate(spans):
        outputs[row, first, 0] = outputs[row, last, 1] = score / 2
    outputs[:, 5:] = 99.0
    return jnp.asarray(outputs)


def measured(outputs, batch):
    return {name: each.value for name, each in TASK.measures(counted(TASK, outputs, batch)).items()}


def test_the_best_window_answers_a_question():
    batch = windows()
    outputs = scored((3, 3, 4), (3, 3, 2), (2, 2, 1))
    assert answered(TASK.listed(outputs, batch)) == (
        ["two", "ten"], [["two", "two!"], ["two", "two!"], ["ten red"]][1:],
    )  # fmt: skip
    found = measured(outputs, batch)
    assert found["exact_match"] == 0.5
    assert found["f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["window_accuracy"] == pytest.approx(1 / 3)
    other = measured(scored((3, 3, 2), (3, 3, 4), (2, 3, 1)), batch)
    assert (other["exact_match"], other["f1"]) == (0.5, 0.5)
    # The second window's first word has more around it in the first, so that nothing begins there.
    assert answered(TASK.listed(scored((3, 3, 0), (2, 2, 40), (2, 3, 1)), batch))[0][0] == "two"
    for each in TASK.measures(counted(TASK, outputs, batch)).values():
        assert each.low <= each.value <= each.high
    assert set(TASK.measures(TASK.sums(outputs, batch))) == {"window_accuracy"}


def test_no_numbers_answer_nothing():
    found = measured(scored((3, 3, 4), (3, 3, 2), (2, 2, 1)) * jnp.nan, windows())
    assert found == {"f1": 0, "exact_match": 0, "window_accuracy": 0}


def test_padding_changes_nothing():
    spans = (3, 3, 4), (3, 3, 2), (2, 2, 1)
    plain, padded = windows(), windows(padded=3)
    losses = [TASK.loss(scored(*spans, padded=n), batch) for n, batch in ((0, plain), (3, padded))]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    log_p = jax.nn.log_softmax(scored(*spans), 1)
    expected = [
        -(log_p[r, plain["first"][r], 0] + log_p[r, plain["last"][r], 1]) / 2 for r in range(3)
    ]
    np.testing.assert_allclose(losses[0], expected, rtol=1e-5, atol=1e-7)
    assert measured(scored(*spans, padded=3), padded) == measured(scored(*spans), plain)


def test_two_devices_train_as_one(tiny):
    assert hash(TASK) == hash(config_files.parse(QuestionAnswering, config_files.to_dict(TASK)))
    sizes = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=60, positions=16)
    model = Bert(2, sizes, make_head=TASK.head)
    split = Split(
        {name: np.tile(each, (8,) + (1,) * (each.ndim - 1)) for name, each in windows().items()}
    )
    params, _ = models.initialise(
        model, jax.random.key(0), TASK.input_spec(Transform(), split.spec)
    )
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
    network = Network(model, params, {})
    judged = [
        judge(network, on_devices(split, Transform(), parallel.local_devices(devices), TASK),
              batch_size=size)
        for devices, size in ((1, 24), (2, 10))
    ]  # fmt: skip
    for name, each in judged[0].items():
        assert each.value == pytest.approx(judged[1][name].value)
    assert set(judged[0]) == {"f1", "exact_match", "window_accuracy"}
