"""Sums over a split, choosing on validation examples, and what an evaluation makes of measures."""

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets import models
from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.measures import mean_of
from rtickets.platform import parallel
from rtickets.tasks import Measured


@dataclass(frozen=True)
class Largest(MeasureConfig):
    """The mean of the largest logits."""

    name: str = "largest"

    def sums(self, outputs, batch, task):
        assert set(batch) == {"image", "label"}
        return {"total": outputs.max(-1).sum(), "count": len(outputs)}

    def values(self, sums, task):
        mean = sums["total"] / sums["count"]
        return {"mean": Measured(mean, mean, mean), "count": Measured(*[sums["count"]] * 3)}


def evaluate(tiny, folder, measures, validation=None):
    devices = parallel.local_devices(2)
    examples = on_devices(tiny.split, Transform(), devices)
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    config = EvaluateConfig(measures=measures, batch_size=16)
    more = {"validation": lambda: examples} if validation else {}
    return evaluate_network(config, network, examples, folder, **more)


def test_an_evaluation_has_the_values_under_the_label(tiny, tmp_path):
    result = evaluate(
        tiny, tmp_path, {"mine": Largest(), "classes": MeasureConfig(name="per_class")}
    )
    measures = result["measures"]
    assert list(measures)[:3] == ["accuracy", "mine.mean", "mine.count"]
    assert measures["accuracy"]["value"] == result["clean"]["value"]
    assert measures["mine.count"]["value"] == len(tiny.split)
    x = tiny.split.images.astype(np.float32) / 255
    logits = np.asarray(models.logits(tiny.model, tiny.params, tiny.batch_stats, x))
    assert measures["mine.mean"]["value"] == pytest.approx(logits.max(-1).mean(), rel=1e-5)
    assert measures["classes.class_0"]["detail"]
    assert measures["classes.worst"]["value"] <= measures["accuracy"]["value"]


def test_what_chooses_needs_validation_examples(tiny, tmp_path):
    scaled = {"mine": MeasureConfig(name="calibration", temperature=True)}
    assert "mine.temperature" in evaluate(tiny, tmp_path, scaled, validation=True)["measures"]
    with pytest.raises(InputError, match=r"measures\.mine: .*validation"):
        evaluate(tiny, tmp_path, scaled)
    with pytest.raises(ValueError, match="split='validation'"):
        EvaluateConfig(measures=scaled, split="validation")


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    half = 1.959963984540054 * (5 / 3) ** 0.5 / 2
    assert mean_of(values)[:3] == pytest.approx((2.5, 2.5 - half, 2.5 + half))
    assert mean_of(values, bounds=(2.4, 2.6))[:3] == (2.5, 2.4, 2.6)
    assert mean_of(values[:1])[:3] == (1, 1, 1)
