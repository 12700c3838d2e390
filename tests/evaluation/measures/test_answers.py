"""Pictures of answers: of which tasks, in calls of what size, and where nothing counts."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation.measures.answers import AnswerSettings
from rtickets.evaluation.measures.asking import check_measures
from rtickets.evaluation.measures.base import Asked, no_examples
from rtickets.evaluation.predict import Network, on_devices
from rtickets.platform import parallel
from rtickets.tasks import Classification, Detection, ImageTask, Segmentation

DEVICES = parallel.local_devices(1)
COUNT, SIZE, CLASSES = 24, 8, 3


class Pixels(nn.Module):
    """Answers of every pixel, or of every fourth in the form of a level of FCOS."""

    level: bool = False
    calls: tuple = ()  # what collects the sizes of calls
    num_classes: int = CLASSES

    @nn.compact
    def __call__(self, x, train=False):
        for each in self.calls:
            each.sizes.append(len(x))
        if self.level:
            return (nn.Dense(2 + 5, name="head")(x[:, ::4, ::4]),)
        return nn.Dense(CLASSES, name="head")(x)


class Calls:
    """Sizes of calls; a list is not hashable, as a setting of a model has to be."""

    def __init__(self):
        self.sizes = []


def asked(task, batch_size=256, calls=(), **arrays):
    """Return what a measure is asked about random images, and where pictures go."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3)).astype(np.uint8)
    split = Split({"image": images, **arrays})
    model = Pixels(isinstance(task, Detection), calls)
    plain = model.clone(calls=())
    params = plain.init(jax.random.key(0), np.zeros((1, SIZE, SIZE, 3), np.float32))["params"]
    examples, kept = on_devices(split, Transform(), DEVICES, task), {}
    network = Network(model, params, {})
    return Asked(
        network, examples, no_examples, no_examples, batch_size, keep=kept.__setitem__
    ), kept


def masks(value=None):
    found = np.random.default_rng(1).integers(0, CLASSES, (COUNT, SIZE, SIZE)).astype(np.uint8)
    return found if value is None else np.full_like(found, value)


@pytest.mark.parametrize("task", [ImageTask(), Classification()])
def test_pictures_of_every_class_are_of_tasks_with_classes_of_parts(task, monkeypatch):
    monkeypatch.setattr(ImageTask, "paints", True)
    about, _ = asked(task)
    check_measures({"seen": AnswerSettings()}, about.examples)
    with pytest.raises(InputError, match=rf"measures\.seen: each_class=4.*{type(task).__name__}"):
        check_measures({"seen": AnswerSettings(each_class=4)}, about.examples)


def test_no_call_has_more_examples_than_others_have():
    found = {}
    for size in (4, 256):
        calls = Calls()
        about, kept = asked(Segmentation(), size, (calls,), mask=masks())
        values = AnswerSettings(examples=20, each_class=2).measure(about)
        found[size] = values["miou"].value, kept
        assert max(calls.sizes) <= min(size, COUNT)
    assert found[4][0] == pytest.approx(found[256][0])
    assert set(found[4][1]) == {"image", "truth", "answer", "class_1", "class_2"}
    for name, images in found[4][1].items():
        np.testing.assert_allclose(images, found[256][1][name], atol=1e-6)
        assert len(images) == (2 if name.startswith("class") else 20)


def test_pictures_of_every_class_are_called_by_its_name():
    """The ground is a class of pixels, and none of boxes."""
    pytest.importorskip("pycocotools")
    names = {"class_names": ["Big Dog", "cat"]}
    of_pixels, kept = asked(Segmentation(), mask=masks())
    AnswerSettings(examples=1, each_class=2).measure(of_pixels._replace(about=names))
    assert set(kept) == {"image", "truth", "answer", "class_1_big_dog", "class_2_cat"}
    boxes = np.tile(np.float32([1, 1, 6, 6]), (COUNT, 1, 1))
    classes = (np.arange(COUNT) % 2)[:, None].astype(np.int32)
    of_boxes, kept = asked(Detection(), boxes=boxes, classes=classes)
    AnswerSettings(examples=1, each_class=2).measure(of_boxes._replace(about=names))
    assert set(kept) == {"image", "truth", "answer", "class_0_big_dog", "class_1_cat"}
    assert kept["class_1_cat"].shape == (2, SIZE, SIZE, 3)


def test_pictures_are_kept_where_nothing_counts():
    about, kept = asked(Segmentation(), mask=masks(255))
    assert AnswerSettings(examples=3, each_class=1).measure(about) == {}
    assert set(kept) == {"image", "truth", "answer"}
    pytest.importorskip("pycocotools")
    boxes = np.tile(np.float32([1, 1, 6, 6]), (COUNT, 1, 1))
    for classes, crowd in ((-1, False), (0, True)):
        about, kept = asked(
            Detection(), boxes=boxes, classes=np.full((COUNT, 1), classes, np.int32),
            crowd=np.full((COUNT, 1), crowd),
        )  # fmt: skip
        assert AnswerSettings(examples=3).measure(about) == {}
        assert set(kept) == {"image", "truth", "answer"}
        assert len(kept["answer"]) == 3
