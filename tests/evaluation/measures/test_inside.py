"""The measures that look inside a network: inversion and gradients."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation import Network, evaluate_network, on_devices
from rtickets.evaluation.subject import spread
from rtickets.models.calling import features
from rtickets.models.network import BackboneAndHead, Features, LinearHead
from rtickets.platform import parallel, preemption


class Linear(BackboneAndHead):
    """Four linear features of the pixels, and a head."""

    num_classes: int = 3
    make_head: object = LinearHead

    @nn.compact
    def features(self, x, train=False):
        del train
        found = nn.Dense(4, use_bias=False, name="backbone")(x.reshape(len(x), -1))
        return Features({"stem": found}, found)


def linear_network():
    model = Linear()
    return Network(model, model.init(jax.random.key(0), np.zeros((1, 8, 8, 1)))["params"], {})


def measured(network, split, folder, batch_size=16, **measures):
    examples = on_devices(split, Transform(), parallel.local_devices(1))
    config = EvaluateConfig(measures=measures, batch_size=batch_size)
    return evaluate_network(config, network, examples, folder)


def picture(folder, name):
    return np.asarray(Image.open(folder / "pictures" / f"{name}.png"))


def test_the_gradient_pictures_of_a_linear_network_are_its_weights(tiny, tmp_path):
    network = linear_network()
    found = measured(
        network, tiny.split, tmp_path, mine=MeasureConfig(name="gradients", examples=12, shown=2)
    )
    weights = network.params["backbone"]["kernel"] @ network.params["head"]["kernel"]
    chosen = spread(48, 12)
    own = np.asarray(weights).T[tiny.split.labels[chosen]].reshape(12, 8, 8)
    images = tiny.split.images[chosen][..., 0] / 255
    lengths = np.linalg.norm(own, axis=(1, 2))
    aligned = np.abs((own * images).sum((1, 2))) / lengths
    values = {name: each["value"] for name, each in found["measures"].items()}
    assert values["mine.norm"] == pytest.approx(lengths.mean(), rel=1e-5)
    assert values["mine.alignment"] == pytest.approx(aligned.mean(), rel=1e-4)
    assert values["mine.smooth_alignment"] == pytest.approx(aligned.mean(), rel=1e-4)
    expected = np.clip(own[0] / (3 * own[0].std()), -1, 1) / 2 + 0.5
    shown = picture(tmp_path, "mine.gradient")
    assert shown.shape == (8, 17)
    np.testing.assert_allclose(shown[:, :8] / 255, expected, atol=0.003)
    np.testing.assert_array_equal(picture(tmp_path, "mine.image")[:, :8], images[0] * 255)


@pytest.mark.parametrize("start", ["noise", "image"])
def test_the_image_found_has_the_features_of_the_target(tiny, tmp_path, start):
    network = linear_network()
    settings = MeasureConfig(name="inversion", examples=4, start=start, num_steps=200)
    found = measured(network, tiny.split, tmp_path, mine=settings)
    assert found["pictures"] == ["mine.target", "mine.start", "mine.found"]
    values = {name: each["value"] for name, each in found["measures"].items()}
    assert values["mine.distance"] < 0.01 < values["mine.start"]
    images = [
        np.stack(np.split(np.pad(picture(tmp_path, f"mine.{name}"), ((0, 0), (0, 1))), 4, 1))
        for name in ("target", "start", "found")
    ]
    target, begun, ended = (each[:, :, :8, None] / 255 for each in images)
    np.testing.assert_array_equal(target * 255, tiny.split.images[spread(48, 4)])
    if start == "image":
        np.testing.assert_array_equal(begun, np.roll(target, -1, 0))
    wanted, reached = (features(*network, each)[0].pooled for each in (target, ended))
    np.testing.assert_allclose(reached, wanted, atol=0.02)  # pixels of the file are rounded
    assert values["mine.pixels"] == pytest.approx(
        np.sqrt(((ended - target) ** 2).mean((1, 2, 3))).mean(), abs=0.005
    )


MEASURES = {
    "deep": MeasureConfig(name="inversion", examples=3, level="stage2", num_steps=4),
    "saliency": MeasureConfig(name="gradients", examples=5, samples=2, shown=3, of="loss"),
}


def test_a_killed_evaluation_leaves_the_same_in_the_end(tiny, tmp_path, monkeypatch):
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = measured(network, tiny.split, tmp_path / "whole", **MEASURES)

    def stop():  # between the first measure's pictures and the second's
        if (tmp_path / "killed" / "pictures").is_dir():
            raise preemption.Preempted

    with monkeypatch.context() as patch:
        patch.setattr(preemption, "check", stop)
        with pytest.raises(preemption.Preempted):
            measured(network, tiny.split, tmp_path / "killed", **MEASURES)
    assert measured(network, tiny.split, tmp_path / "killed", **MEASURES) == whole
    for file in (tmp_path / "whole" / "pictures").iterdir():
        assert (tmp_path / "killed" / "pictures" / file.name).read_bytes() == file.read_bytes()


def test_what_a_network_has_not_is_refused_before_anything_is_computed(tiny, tmp_path, monkeypatch):
    network = Network(tiny.model, tiny.params, tiny.batch_stats)
    monkeypatch.setattr("rtickets.evaluation.evaluate.answers", None)
    with pytest.raises(InputError, match=r"measures\.mine: level='stage9'.*pooled, .*stage1.*stem"):
        measured(
            network, tiny.split, tmp_path, mine=MeasureConfig(name="inversion", level="stage9")
        )


@pytest.mark.parametrize("field", ["step_size", "eps"])
def test_lengths_are_positive(field):
    with pytest.raises(ValueError, match=field):
        MeasureConfig(name="inversion", **{field: 0.0})
