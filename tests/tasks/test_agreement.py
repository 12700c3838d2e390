"""F1, Matthews and correlations, against scikit-learn and SciPy."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from rtickets.tasks.agreement import f1_of, matthews_of, pearson_of, spearman_of

metrics = pytest.importorskip("sklearn.metrics")
answers = st.integers(2, 4).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)),
            min_size=2, max_size=30,
        ),
    )
)  # fmt: skip


def table_of(classes, pairs):
    table = np.zeros((classes, classes + 1), int)
    for true, said in pairs:
        table[true, said] += 1
    return table


@given(answers)
@example((2, [(0, 1), (0, 1), (0, 1), (0, 1), (1, 0)]))  # -1, and by rounding a little less
@pytest.mark.filterwarnings("ignore")
def test_as_scikit_learn_has_them(drawn):
    classes, pairs = drawn
    true, said = zip(*pairs, strict=True)
    table = table_of(classes, pairs)
    how = {"average": "macro"} if classes > 2 else {"pos_label": 1}
    expected = metrics.f1_score(true, said, zero_division=0, **how)
    assert f1_of(table).value == pytest.approx(expected, abs=1e-9)
    expected = metrics.matthews_corrcoef(true, said)
    assert matthews_of(table).value == pytest.approx(expected, abs=1e-6)
    for found in (f1_of(table), matthews_of(table)):
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


def test_an_interval_covers_as_often_as_it_says():
    generator, shares = np.random.default_rng(0), np.array([[0.4, 0.1, 0.0], [0.15, 0.35, 0.0]])
    for of in (f1_of, matthews_of):
        truth = of(shares * 1e9).value
        draws = generator.multinomial(300, shares.ravel(), 400).reshape(-1, 2, 3)
        inside = [found.low <= truth <= found.high for found in map(of, draws)]
        assert 0.92 <= np.mean(inside) <= 0.98


def test_an_answer_that_is_none_is_wrong():
    table = np.array([[3, 0, 1], [0, 4, 0]])
    assert f1_of(table).value == 1.0
    assert f1_of(np.array([[4, 0, 0], [0, 3, 1]])).value == pytest.approx(2 * 3 / 7)
    assert matthews_of(table).value < 1


def test_correlations_are_those_of_scipy():
    generator = np.random.default_rng(0)
    one = generator.normal(size=50)
    other = np.round(one + generator.normal(size=50), 1)
    found = pearson_of(one, other)
    expected = stats.pearsonr(one, other)
    assert found.value == pytest.approx(expected.statistic)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6)
    ranks = spearman_of(one, other)
    assert ranks.value == pytest.approx(stats.spearmanr(one, other).statistic)
    assert ranks.low < ranks.value < ranks.high


@pytest.mark.parametrize("of", [pearson_of, spearman_of])
def test_constant_answers_correlate_with_nothing(of):
    found = of(np.ones(10), np.arange(10))
    assert found.value == 0.0
    exact = of(np.arange(10), 2.0 * np.arange(10))
    assert exact.value == pytest.approx(1.0)
    assert exact.low <= exact.value <= exact.high <= 1.0
    few = of(np.arange(3), np.array([0, 2, 1]))
    assert (few.low, few.high) == (-1, 1)
