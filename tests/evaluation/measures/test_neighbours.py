import numpy as np
import pytest

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.comparison import neighbours, retrieval
from rtickets.evaluation.measures.asking import check_measures
from rtickets.evaluation.subject import spread
from rtickets.platform import parallel
from rtickets.tasks import SimClr
from rtickets.tasks.comparison import Neighbours, Retrieval


@pytest.fixture(scope="module")
def network(tiny):
    return Network(tiny.model, tiny.params, tiny.batch_stats)


def examples(split, task=None):
    return on_devices(split, Transform(), parallel.local_devices(1), task)


def test_a_classifier_is_measured_by_its_features_too(tiny, network, tmp_path):
    split = tiny.split.take(np.arange(0, 48, 2))
    training = examples(tiny.split.take(np.arange(1, 48, 2)))
    measures = {
        "near": MeasureConfig(name="knn", neighbours=3, gallery=20),
        "views": MeasureConfig(name="retrieval", group=8),
    }
    result = evaluate_network(
        EvaluateConfig(measures=measures, honesty_examples=0), network, examples(split), tmp_path,
        training=lambda: training,
    )  # fmt: skip
    found = result["measures"]
    few = examples(training.split.take(spread(24, 20)))
    near = neighbours(network, examples(split), few, Neighbours(3))
    assert found["near.accuracy"]["value"] == near["knn"] / 24
    views = retrieval(network, examples(split), Retrieval(8))
    assert found["views.top1"]["value"] == views["retrieval"] / 48
    assert found["views.top1"]["value"] <= found["views.top5"]["value"]


def test_what_has_no_classes_or_no_backbone_is_refused(tiny, network):
    unlabelled = examples(Split({"image": tiny.split.images}), SimClr())
    knn = {"near": MeasureConfig(name="knn")}
    with pytest.raises(InputError, match=r"measures\.near.*classes.*'retrieval'"):
        check_measures(knn, unlabelled, network)
    bare = network._replace(model=object())
    for name in ("knn", "retrieval"):
        with pytest.raises(InputError, match="backbone"):
            check_measures({"near": MeasureConfig(name=name)}, examples(tiny.split), bare)
