"""Every measure, on random answers and on odd ones, as an evaluation runs it."""

import dataclasses
import json

import flax.linen as nn
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.config import DataConfig, EvaluateConfig, MeasureConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, on_devices
from rtickets.evaluation.entries import entries
from rtickets.evaluation.measures import MEASURES, Asked
from rtickets.evaluation.measures.asking import check_measures, measure_all
from rtickets.evaluation.measures.counted import counters_of
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import ImageTask

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 4, 200).astype(np.int32)
RANDOM = GENERATOR.normal(0, 2, (200, 4)).astype(np.float32)
ANSWERS = {
    "random": (RANDOM, LABELS),
    "perfect": (100 * np.eye(4, dtype=np.float32)[LABELS], LABELS),
    "always wrong": (100 * np.eye(4, dtype=np.float32)[(LABELS + 1) % 4], LABELS),
    "constant": (np.zeros((200, 4), np.float32), LABELS),
    "one example": (RANDOM[:1], LABELS[:1]),
    "one class": (RANDOM[:50], np.full(50, 2, np.int32)),
    "huge": (1e6 * RANDOM, LABELS),
}


SMALL = {
    "corruptions": {"corruptions": ("brightness", "contrast"), "severities": (1, 5)},
    "domain_gap": {"data": DataConfig(source="digits")},
    "inversion": {"num_steps": 3},
    "gradients": {"samples": 2},
    "surface": {"points": 3, "examples": 8},
}
IMAGES = GENERATOR.integers(0, 256, (24, 8, 8, 1)).astype(np.uint8)
WEIGHTS = GENERATOR.normal(0, 1, (64, 4)).astype(np.float32)
EXAMPLES = on_devices(
    Split({"image": IMAGES, "label": LABELS[:24]}), Transform(), parallel.local_devices(1)
)


class Linear(nn.Module):
    num_classes: int = 4

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(4, use_bias=False, name="head")(x.reshape(len(x), -1))


NETWORK = Network(Linear(), {"head": {"kernel": WEIGHTS}}, {})


def asked(outputs, labels):
    whole = outputs, {"label": labels}
    return Asked(NETWORK, EXAMPLES, lambda: whole, lambda: EXAMPLES, training=lambda: EXAMPLES)


def measured(measure, outputs, labels):
    """Return the values of a measure of these answers, its sums taken of parts."""
    sums = {}
    for label, counter in counters_of({"mine": measure}, EXAMPLES.task).items():
        for part in (slice(0, 7), slice(7, None)):
            if len(labels[part]):
                found = counter.sums(outputs[part], {"label": labels[part]})
                old = sums.get(label, {})
                sums[label] = {k: old.get(k, 0) + np.asarray(v) for k, v in found.items()}
    return measure_all({"mine": measure}, asked(outputs, labels), sums)


def settings(name):
    """Return an entry with its defaults, and with everything on that is a switch."""
    plain = MeasureConfig(name=name, **SMALL.get(name, {}))
    switches = {f.name: True for f in dataclasses.fields(plain) if isinstance(f.default, bool)}
    return [plain, config_files.replace(plain, **switches)] if switches else [plain]


@pytest.fixture(autouse=True)
def _validation(monkeypatch):
    """Answer to all other examples, too."""
    other = GENERATOR.normal(0, 2, (64, 4)), GENERATOR.integers(0, 4, 64)

    def ask(self, examples):
        count = min(len(examples.split), 64)
        return other[0][:count], {"label": other[1][:count]}

    def sums_of(self, examples, *counters):
        outputs, batch = ask(self, examples)
        return tuple(counter.sums(outputs, batch) for counter in counters)

    def features(self, split, task, transform):
        return other[0][: len(split)] + len(split.arrays)

    def linear(x):
        return x.reshape(len(x), -1) @ WEIGHTS

    def compared(self, how):
        names = ["knn", "retrieval", "retrieval_top3", "retrieval_top5"]
        return {**dict(zip(names, range(4), strict=True)), "asked": 5}

    monkeypatch.setattr(Asked, "ask", ask)
    monkeypatch.setattr(Asked, "compared", compared)
    monkeypatch.setattr(Asked, "features_fn", lambda self, level: Partial(linear))
    monkeypatch.setattr(Asked, "logits_fn", lambda self: Partial(linear))
    monkeypatch.setattr(Asked, "sums_of", sums_of)
    monkeypatch.setattr(Asked, "features", features)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("answers", ANSWERS)
def test_values_are_finite_inside_their_intervals_and_the_same_again(name, answers):
    for measure in settings(name):
        found = measured(measure, *ANSWERS[answers])
        assert found
        for value in found.values():
            assert value.low <= value.value <= value.high
            assert value.unit != "share" or (value.low >= 0 and value.high <= 1)
        stored = entries(found)
        assert json.loads(json.dumps(stored, allow_nan=False)) == stored
        assert all(label.startswith("mine.") for label in stored)
        assert measured(measure, *ANSWERS[answers]) == found


@pytest.mark.parametrize("name", MEASURES)
def test_the_order_of_examples_does_not_matter(name):
    order = GENERATOR.permutation(200)
    for measure in settings(name):
        found = measured(measure, RANDOM, LABELS)
        again = measured(measure, RANDOM[order], LABELS[order])
        for one, other in zip(found.values(), again.values(), strict=True):
            assert other[:3] == pytest.approx(one[:3], abs=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_values_say_of_how_many_examples_they_are(name):
    measure = settings(name)[0]
    most = measure.examples_of(len(EXAMPLES.split))
    assert 0 < most <= len(EXAMPLES.split)
    assert measure.examples_of(10**9) == (getattr(measure, "examples", None) or 10**9) or (
        name == "ood"  # whose examples are the others
    )
    for found in measured(measure, RANDOM, LABELS).values():
        own = name != "per_class"  # each class has its own
        assert found.examples == most if own else 0 < found.examples <= len(LABELS)
    stored = entries(measured(measure, RANDOM, LABELS))
    assert all(isinstance(each["examples"], int) for each in stored.values())


@pytest.mark.parametrize("name", MEASURES)
def test_settings_survive_a_file_and_digests_see_them(name):
    for measure in settings(name):
        config = EvaluateConfig(measures={"mine": measure})
        stored = json.loads(json.dumps(config_files.to_dict(config)))
        assert config_files.parse(EvaluateConfig, stored) == config
        assert "measures" in config_files.to_dict(config, exclude_defaults=True)


@pytest.mark.parametrize("name", [name for name in MEASURES if MEASURES[name].needs_classes])
def test_those_of_classes_are_refused_where_there_are_none(name):
    with pytest.raises(InputError, match=rf"measures\.mine='{name}'.*ImageTask"):
        check_measures({"mine": MeasureConfig(name=name)}, EXAMPLES._replace(task=ImageTask()))
