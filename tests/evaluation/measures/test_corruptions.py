"""The headline on corrupted images, against the same by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
import pytest

from rtickets import models
from rtickets.cli.overrides import from_command_line
from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.corruptions import CORRUPTIONS, corrupt, frost
from rtickets.data.images.views import View
from rtickets.data.sources.folders import read_folder, stream_folder
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.measures import Asked, corruptions
from rtickets.platform import parallel
from rtickets.settings.fields import fields_of
from rtickets.tasks import ImageTask, Measured
from rtickets.tasks.base import Headline

ROOT = Path(__file__).parents[3]
FEW = {"corruptions": ("brightness", "gaussian_noise"), "severities": (2, 5), "table": "cifar"}


def evaluate(tiny, folder, devices=2, **fields):
    examples = on_devices(tiny.split, Transform(), parallel.local_devices(devices))
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    measures = {"bad": MeasureConfig(name="corruptions", **{**FEW, **fields})}
    config = EvaluateConfig(measures=measures, batch_size=16, seed=3)
    return evaluate_network(config, network, examples, folder)["measures"]


@dataclass(frozen=True)
class Tenths(ImageTask):
    """The first logit against a target that is stored in tenths."""

    headline: ClassVar[Headline] = Headline("error", "s", higher_is_better=False)

    def prepare(self, transform, raw):
        return {**super().prepare(transform, raw), "target": raw["target"] / 10}

    def sums(self, outputs, batch):
        error = abs(outputs[:, 0] - batch["target"])
        return {"error": error.sum(), "count": len(error)}

    def measures(self, sums):
        return {"error": Measured(*[sums["error"] / sums["count"]] * 3, "s", False)}


def test_examples_are_prepared_once(tiny):
    targets = np.linspace(0, 30, 48).astype(np.float32)
    split = Split({"image": tiny.split.images, "target": targets})
    one, network = parallel.local_devices(1), Network(tiny.model, tiny.params, tiny.batch_stats)
    asked = Asked(
        network, on_devices(split, Transform(), one, Tenths()), lambda: None, lambda: None
    )
    bad = MeasureConfig(
        name="corruptions", corruptions=("brightness",), severities=(2,), table="cifar"
    )
    keys = jax.random.split(jax.random.key(0), 48)  # brightness draws nothing
    x = corrupt((tiny.split.images / 255).astype(np.float32), keys, "brightness", 2, "cifar")
    logits = models.logits(tiny.model, tiny.params, tiny.batch_stats, np.round(x * 255) / 255)
    expected = np.abs(np.asarray(logits)[:, 0] - targets / 10).mean()
    assert bad.measure(asked)["mean"].value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("devices", [1, 2])
def test_the_values_are_those_by_hand(tiny, tmp_path, devices, monkeypatch):
    monkeypatch.setattr(corruptions, "_PART_BYTES", 20 * 8 * 8)
    found = evaluate(tiny, tmp_path, devices)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(3), i))(np.arange(48))
    x = (tiny.split.images / 255).astype(np.float32)
    shares = {}
    for name in FEW["corruptions"]:
        right = []
        for severity in FEW["severities"]:
            pictures = corrupt(x, keys, name, severity, "cifar")
            logits = models.logits(tiny.model, tiny.params, tiny.batch_stats, pictures)
            right.append(np.asarray(logits).argmax(-1) == tiny.split.labels)
        shares[name] = np.mean(right)
        assert found[f"bad.{name}"]["value"] == pytest.approx(shares[name], abs=1e-9)
        assert found[f"bad.{name}"]["detail"]
    assert found["bad.mean"]["value"] == pytest.approx(np.mean(list(shares.values())), abs=1e-9)
    assert found["bad.mean"]["unit"] == "share"
    assert found["bad.mean_error"]["value"] == pytest.approx(1 - found["bad.mean"]["value"])
    assert not found["bad.mean_error"]["higher_is_better"]
    assert "bad.mce" not in found


def test_errors_are_divided_by_those_of_a_baseline(tiny, tmp_path):
    baseline = {"brightness": 0.5, "gaussian_noise": 0.8}
    found = evaluate(tiny, tmp_path, baseline=baseline, examples=20)
    ratios = [(1 - found[f"bad.{name}"]["value"]) / error for name, error in baseline.items()]
    assert found["bad.mce"]["value"] == pytest.approx(np.mean(ratios))
    assert found["bad.mce"]["low"] <= found["bad.mce"]["value"] <= found["bad.mce"]["high"]
    assert "bad.mean_error" not in found


def test_a_baseline_of_what_is_no_share_is_refused(tiny):
    class Restoration:
        headline = Headline("psnr", "dB")

    examples = on_devices(tiny.split, Transform(), parallel.local_devices(1))
    measure = MeasureConfig(
        name="corruptions", **FEW, baseline=dict.fromkeys(FEW["corruptions"], 0.5)
    )
    measure.check(examples)
    with pytest.raises(InputError, match="psnr"):
        measure.check(examples._replace(task=Restoration()))


def test_some_examples_are_spread_over_the_split(tiny, tmp_path):
    found = evaluate(tiny, tmp_path, examples=5, corruptions=("brightness",), severities=(2,))
    assert found["bad.mean"]["value"] * 5 == pytest.approx(round(found["bad.mean"]["value"] * 5))


def test_what_cannot_be_corrupted_is_refused_before_anything_is_computed(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("rtickets.evaluation.evaluate.answers", None)
    cut = tiny._replace(split=type(tiny.split)({
        "image": tiny.split.images[:, :4, :4], "label": tiny.split.labels,
    }))  # fmt: skip
    with pytest.raises(InputError, match=r"measures\.bad: .*4x4"):
        evaluate(cut, tmp_path)
    for wrong in ({"corruptions": ("fogg",)}, {"severities": (6,)}, {"corruptions": ()}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MeasureConfig(name="corruptions", **wrong)
    for wrong, named in (
        ({"severities": (1, 1)}, "twice"),
        ({"baseline": {"fog": 0.5}}, "missing"),
        ({"baseline": dict.fromkeys((*CORRUPTIONS, "rain"), 0.5)}, "rain"),
    ):
        with pytest.raises(ValueError, match=named):
            MeasureConfig(name="corruptions", **wrong)
    monkeypatch.setattr(frost, "FILES", ("frost0.png",))
    with pytest.raises(InputError, match=r"measures\.bad: .*pip install"):
        evaluate(tiny, tmp_path, corruptions=("fog", "frost"))


def test_what_is_drawn_belongs_to_the_place_in_the_split():
    images, one = np.full((6, 8, 8, 1), 0.5, np.float32), parallel.local_devices(1)
    drawn = ("gaussian_noise", 3, "cifar", one)
    every = corruptions.corrupted(images, np.arange(6), *drawn, batch_size=4)
    two = corruptions.corrupted(images[:2], np.array([5, 0]), *drawn)
    np.testing.assert_array_equal(two, every[[5, 0]])
    assert (every[0] != every[1]).any()


def test_a_dry_run_counts_every_corruption():
    assert MeasureConfig(name="corruptions", **FEW).forward_passes(70, 5) == 4 * 70
    assert MeasureConfig(name="corruptions").forward_passes(5000, 5) == 75 * 1000


def test_images_that_stay_on_disk_are_corrupted_as_those_in_memory(tiny, tmp_path, save_image):
    for index in range(6):
        save_image(tmp_path / "ab"[index % 2] / f"{index}.png", 40 * index)
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    found = []
    for read in (read_folder, stream_folder):
        split = read(tmp_path, View((10, 12), 0, "bilinear", None), 0).train
        examples = on_devices(split, Transform(channels=1), parallel.local_devices(1))
        asked = Asked(network, examples, lambda: None, lambda: None, batch_size=4)
        found.append(MeasureConfig(name="corruptions", **FEW).measure(asked))
    assert examples.streamed
    assert found[0] == found[1]


def test_a_baseline_is_given_on_the_command_line_and_listed():
    words = ["--config.measures.c.name=corruptions", "--config.measures.c.corruptions=('fog',)"]
    path = ROOT / "configs/evaluate/pgd.py"
    chosen = from_command_line(
        EvaluateConfig, [f"--config={path}", *words, "--config.measures.c.baseline.fog=0.5"]
    )
    assert chosen.measures["c"].baseline == {"fog": 0.5}
    assert "c.baseline" in " ".join(each.path for each in fields_of(chosen))
