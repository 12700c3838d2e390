import flax.linen as nn
import jax
import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets.config import DataConfig, EvaluateConfig, MeasureConfig
from rtickets.data.arrays import Split, labelled
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.frechet import frechet_distance, gaussian_of
from rtickets.evaluation.measures import Asked
from rtickets.evaluation.measures.domain_gap import DomainGapSettings, _with_interval
from rtickets.models.calling import features
from rtickets.platform import parallel
from rtickets.tasks import ImageTask


class Plain(nn.Module):
    """A network without a backbone."""

    @nn.compact
    def __call__(self, x, train=False):
        del train
        return nn.Dense(3)(x.reshape(len(x), -1))


RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (48, 8, 8, 1), np.uint8)
LABELS = (np.arange(48) % 3).astype(np.int32)


def source(folder, images, name="other"):
    """Return a source whose test images these are."""
    test = {"x_test": images, "y_test": LABELS[: len(images)]}
    np.savez(folder / f"{name}.npz", x_train=IMAGES, y_train=LABELS, **test)
    return DataConfig(source="npz", path=str(folder / f"{name}.npz"))


def distance(tiny, folder, other, *, images=IMAGES, batch_size=16, devices=1, **options):
    examples = on_devices(
        labelled(images, LABELS[: len(images)]), Transform(), parallel.local_devices(devices)
    )
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    gap = DomainGapSettings(data=other, **options)
    config = EvaluateConfig(measures={"gap": gap}, batch_size=batch_size)
    return evaluate_network(config, network, examples, folder)["measures"]["gap.frechet"]


def test_of_the_same_images_it_is_0(tiny, tmp_path):
    found = distance(tiny, tmp_path, source(tmp_path, IMAGES))
    assert found["value"] == pytest.approx(0, abs=1e-6)
    assert found["low"] == 0


def test_it_is_the_distance_of_the_pooled_features(tiny, tmp_path):
    dark = IMAGES // 3
    both = [
        features(tiny.model, tiny.params, tiny.batch_stats, np.float32(each) / 255)[0].pooled
        for each in (IMAGES, dark)
    ]
    expected = frechet_distance(*(gaussian_of(np.asarray(each)) for each in both))
    found = distance(tiny, tmp_path, source(tmp_path, dark))
    assert found["value"] == pytest.approx(expected, rel=1e-4)
    assert found["low"] < found["value"] < found["high"]
    assert distance(tiny, tmp_path, source(tmp_path, dark), batch_size=7, devices=2)[
        "value"
    ] == pytest.approx(found["value"], rel=1e-5)


def test_a_larger_change_of_the_images_is_farther(tiny, tmp_path):
    sources = [source(tmp_path, IMAGES // part, str(part)) for part in (2, 3, 8)]
    found = [distance(tiny, tmp_path, each)["value"] for each in sources]
    assert found == sorted(found)


def test_both_sets_have_as_many_images(tiny, tmp_path):
    """Of a set and the first half of it, the half is compared with an equally large part."""
    few = source(tmp_path, IMAGES[:24])
    by_count = distance(tiny, tmp_path, few)
    by_choice = distance(tiny, tmp_path, few, examples=24)
    assert by_count == by_choice


def test_the_interval_is_that_of_a_mean_where_only_the_mean_counts():
    """With one feature of the same deviation far away, the root of the distance is the gap."""
    generator, truth = np.random.default_rng(1), 100.0
    found = [
        _with_interval(generator.normal(0, 1, (100, 1)), generator.normal(10, 1, (100, 1)))
        for _ in range(300)
    ]
    assert 0.88 < np.mean([each.low <= truth <= each.high for each in found]) < 0.99


@pytest.mark.parametrize(
    ("options", "named"),
    [({"other": None}, "data.source"), ({"few": 12}, "12 images"), ({"model": True}, "backbone")],
)
def test_what_has_no_gap_is_refused(tiny, tmp_path, options, named):
    other = source(tmp_path, IMAGES[: options.get("few", 48)]) if "other" not in options else None
    if "model" in options:
        model = Plain()
        params = model.init(jax.random.key(0), np.zeros((1, 8, 8, 1)))["params"]
        tiny = tiny._replace(model=model, params=params, batch_stats={})
    with pytest.raises(InputError, match=rf"measures\.gap.*{named}"):
        distance(tiny, tmp_path, other)


def test_the_command_line_names_it():
    config = EvaluateConfig(measures={"gap": MeasureConfig(name="domain_gap", examples=50)})
    assert config.measures["gap"] == DomainGapSettings(examples=50)


def test_a_task_that_prepares_more_than_images_has_a_gap_too(tiny, tmp_path):
    """Images of elsewhere have no targets, and none are asked for."""

    @dataclass(frozen=True)
    class Scaled(ImageTask):
        name: str = "scaled"

        def prepare(self, transform, raw):
            return {"image": transform.prepare(raw["image"]), "target": raw["target"] / 10}

    split = Split({"image": IMAGES, "target": np.ones(48, np.float32)})
    examples = on_devices(split, Transform(), parallel.local_devices(1), Scaled())
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    gap = DomainGapSettings(data=source(tmp_path, IMAGES))
    asked = Asked(network, examples, lambda: None, lambda: examples, 16)
    assert gap.measure(asked)["frechet"].value == pytest.approx(0, abs=1e-6)
