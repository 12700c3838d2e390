"""Detection scores against scikit-learn, by hand, and on networks that know or know nothing."""

import flax.linen as nn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.config import DataConfig, EvaluateConfig, MeasureConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.measures.ood import OodSettings, _noise, _scores, auroc, false_positives
from rtickets.platform import parallel
from rtickets.tasks.accuracy import share

FEW = st.lists(st.integers(0, 5), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(FEW, FEW)
def test_both_are_those_of_scikit_learn_also_with_ties(ours, others):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = [1] * len(ours) + [0] * len(others), [*ours, *others]
    found = auroc(np.array(ours, float), np.array(others, float))
    assert found.value == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert 0 <= found.low <= found.value <= found.high <= 1
    rate, kept, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    expected = min(r for r, k in zip(rate, kept, strict=True) if k >= 0.95 - 1e-12)
    passed = false_positives(np.array(ours, float), np.array(others, float))
    assert passed.value == pytest.approx(expected)


def test_by_hand():
    found = auroc(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    assert found.value == 0.75  # 3 beats both, 1 beats one
    placements = np.var([1.0, 0.5], ddof=1) / 2 + np.var([0.5, 1.0], ddof=1) / 2
    assert found.low == pytest.approx(0.75 - 1.959963984540054 * placements**0.5)
    assert auroc(np.ones(5), np.zeros(3)).value == 1
    assert auroc(np.ones(5), np.ones(3)).value == 0.5
    ours = np.arange(20.0)
    assert false_positives(ours, np.array([0.5, 1.0, 7.0])).value == pytest.approx(2 / 3)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Of normal scores with means 1 apart the area is Phi(1 / sqrt(2))."""
    generator, truth = np.random.default_rng(0), 0.7602499
    trials = [auroc(generator.normal(1, 1, 80), generator.normal(0, 1, 50)) for _ in range(500)]
    assert 0.92 < np.mean([each.low <= truth <= each.high for each in trials]) < 0.98


def test_scores_by_closed_forms():
    logits = np.log(np.array([[0.2, 0.8], [3.0, 1.0]]))
    found = _scores(logits)
    np.testing.assert_allclose(found["msp"], np.log([0.8 / 0.2, 0.75 / 0.25]), rtol=1e-6)
    np.testing.assert_allclose(found["energy"], np.log([1, 4]), atol=1e-12)
    with pytest.raises(InputError, match="1 of 2"):
        _scores(np.array([[0, np.nan], [0, 1]]))


@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
def test_noise_has_its_moments_and_its_seed(kind):
    noise = _noise(kind, (50, 20, 20, 3), 0)
    assert noise.dtype == np.uint8
    assert (noise / 255).mean() == pytest.approx(0.5, abs=0.01)
    deviation = {"uniform": 12**-0.5, "gaussian": 0.24}[kind]  # a little less: it is clipped
    assert (noise / 255).std() == pytest.approx(deviation, abs=0.01)
    np.testing.assert_array_equal(noise, _noise(kind, (50, 20, 20, 3), 0))
    assert (noise != _noise(kind, (50, 20, 20, 3), 1)).any()


def evaluate(tiny, folder, **fields):
    examples = on_devices(tiny.split, Transform(), parallel.local_devices(2))
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    config = EvaluateConfig(measures={"far": MeasureConfig(name="ood", **fields)}, batch_size=16)
    return evaluate_network(config, network, examples, folder)["measures"]


def saved(tiny, folder, factor=1):
    """The examples of the task themselves, so many times their size, as another source."""
    x, y = tiny.split.images, tiny.split.labels
    large, file = x.repeat(factor, 1).repeat(factor, 2), folder / "own.npz"
    np.savez(file, x_train=large, y_train=y, x_test=large, y_test=y)
    return DataConfig(source="npz", path=str(file))


def test_the_task_s_own_examples_are_no_others(tiny, tmp_path):
    found = evaluate(tiny, tmp_path, data=saved(tiny, tmp_path))
    for score in ("msp", "energy"):
        assert found[f"far.{score}_auroc"]["value"] == pytest.approx(0.5, abs=1e-3)
        assert found[f"far.{score}_fpr95"]["value"] == pytest.approx(46 / 48, abs=0.03)
    assert found["far.msp_fpr95"]["higher_is_better"] is False


def test_other_examples_are_brought_to_the_size_of_the_task(tiny, tmp_path):
    found = evaluate(tiny, tmp_path, data=saved(tiny, tmp_path, 2), examples=30)
    assert 0.3 < found["far.msp_auroc"]["value"] < 0.7


def test_images_of_another_size_are_refused_before_anything_is_computed(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("rtickets.evaluation.evaluate.answers", None)
    other = DataConfig(source="npz", path=saved(tiny, tmp_path).path, image_size=12)
    with pytest.raises(InputError, match=r"measures\.far: .*\(12, 12, 1\).*\(8, 8, 1\)"):
        evaluate(tiny, tmp_path, data=other)


def test_a_dry_run_counts_the_other_examples():
    assert OodSettings(examples=70).forward_passes(10, 20) == 10 + 70
    assert len(Split({"image": _noise("uniform", (7, 2, 2, 1), 0)})) == 7


def test_distances_of_features_tell_noise_from_the_task(tiny, tmp_path):
    examples = on_devices(tiny.split, Transform(), parallel.local_devices(2))
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    measure = MeasureConfig(name="ood", mahalanobis=True, examples=40)
    config = EvaluateConfig(measures={"far": measure}, batch_size=16)
    found = evaluate_network(
        config, network, examples, tmp_path, training=lambda: examples
    )["measures"]  # fmt: skip
    assert found["far.mahalanobis_auroc"]["value"] > 0.9
    assert found["far.mahalanobis_fpr95"]["value"] < 0.3
    with pytest.raises(InputError, match=r"measures\.far: .*training examples"):
        evaluate_network(config, network, examples, tmp_path)


def test_distances_need_a_backbone(tiny, tmp_path):
    examples = on_devices(tiny.split, Transform(), parallel.local_devices(1))
    config = EvaluateConfig(measures={"far": MeasureConfig(name="ood", mahalanobis=True)})
    with pytest.raises(InputError, match=r"far: .*no backbone"):
        evaluate_network(config, Network(nn.Dense(3), {}, {}), examples, tmp_path)


def test_distances_take_passes_over_all_examples():
    plain, more = (MeasureConfig(name="ood", mahalanobis=m, fit_examples=7) for m in (False, True))
    assert more.forward_passes(100, 0) - plain.forward_passes(100, 0) == 1000 + 100 + 14


def test_probabilities_that_round_to_1_are_still_told_apart():
    ours = np.stack([np.linspace(60, 100, 30), np.zeros(30)], -1)
    others = np.stack([np.linspace(38, 50, 30), np.zeros(30)], -1)
    assert auroc(_scores(ours)["msp"], _scores(others)["msp"]).value == 1
    assert _scores(np.ones((3, 1)))["msp"].tolist() == [np.inf] * 3


@pytest.mark.parametrize(("n", "m", "value"), [(3, 3, 1.0), (1, 1, 0.5), (50, 4, 0.0)])
def test_an_area_of_few_examples_is_never_certain(n, m, value):
    ours, others = np.full(n, float(value > 0.5)), np.full(m, float(value == 0))
    found = auroc(ours, others)
    assert found.value == value
    assert (found.low, found.high) == pytest.approx(share(value * min(n, m), min(n, m))[3:])
    assert found.high - found.low > 0.4
