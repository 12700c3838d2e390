"""VOC 2012 as a source that stages train on, from a small folder in its layout."""

import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.images.canvas import OnCanvas
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.stream import TrainingOrder, training_batches
from rtickets.errors import InputError
from rtickets.tasks import Segmentation, task_of


@pytest.fixture
def devkit(tmp_path):
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    lists = folder / "ImageSets" / "Segmentation"
    for made in (lists, folder / "JPEGImages", folder / "SegmentationClass"):
        made.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 2)):
        names = [f"{split}_{number}" for number in range(count)]
        (lists / f"{split}.txt").write_text("\n".join(names))
        for number, name in enumerate(names):
            shape = (20 + number, 30)
            image = rng.integers(90, 110, (*shape, 3)).astype(np.uint8)
            mask = np.zeros(shape, np.uint8)
            mask[4:12, 5:20], mask[0] = 15, 255
            image[mask == 15] = 250
            Image.fromarray(image).save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
            Image.fromarray(mask).save(folder / "SegmentationClass" / f"{name}.png")
    return tmp_path


def config(path, **fields):
    own = {"validation_fraction": 0.2, "task": Segmentation(output_stride=8, channels=8)}
    return DataConfig(source="voc2012", path=str(path), **{**own, **fields})


def test_images_and_masks_lie_on_canvases_and_the_rest_does_not_count(devkit):
    dataset = data.load(config(devkit))
    assert [len(split) for split in dataset[:3]] == [4, 1, 2]
    assert dataset.class_names[14] == "person"
    images, masks = (np.asarray(dataset.test.arrays[name]) for name in ("image", "mask"))
    assert (images.shape, masks.shape) == ((2, 500, 500, 3), (2, 500, 500))
    assert (masks[1, 21:] == 255).all()
    assert (masks[:, :, 30:] == 255).all()
    assert (images[0, 20:] == 0).all()
    assert (masks[0, 4:12, 5:20] == 15).all()
    assert images[0, 6, 10].min() > 230
    assert 0.3 < dataset.mean[0] < 0.6  # of the images, without their canvases


def test_batches_are_scaled_and_cut_on_the_device(devkit):
    asked = config(devkit, image_size=24, random_scale=(0.5, 2))
    dataset, transform, task = data.load(asked), make_transform(asked), task_of(asked)
    order = TrainingOrder(4, 2, 0, 0, 1)
    (raw,) = training_batches(dataset.train, order)
    assert raw["image"].shape == (2, 500, 500, 3)
    batch = task.augment(transform, jax.random.split(jax.random.key(0), 2), raw)
    assert batch["image"].shape == (2, 24, 24, 3)
    assert set(np.unique(batch["mask"])) <= {0, 15, 255}


def test_a_broken_mask_is_named_when_it_is_read(devkit):
    path = devkit / "VOCdevkit/VOC2012/SegmentationClass/val_0.png"
    Image.new("L", (30, 20), 77).save(path)
    masks = data.load(config(devkit)).test.arrays["mask"]
    with pytest.raises(InputError, match=r"val_0\.png.*class 77"):
        np.asarray(masks)


def test_an_image_that_is_too_large_is_named():
    found = OnCanvas(
        lambda _: np.zeros((3, 9), np.uint8), lambda _: "big.png", np.arange(1), (8, 8)
    )
    with pytest.raises(InputError, match=r"big\.png.*3x9.*8x8"):
        found.evaluation(0)


def test_what_is_missing_is_named(devkit, tmp_path):
    with pytest.raises(InputError, match=r"trainaug\.txt.*source='voc2012'"):
        data.load(config(devkit).__class__(**{**vars(config(devkit)), "source": "voc2012_aug"}))
    with pytest.raises(InputError, match="data prepare voc2012"):
        data.load(config(tmp_path / "nowhere"))
    lists = devkit / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    (lists / "train.txt").write_text("train_0\nval_1")
    with pytest.raises(InputError, match=r"train\.txt and val\.txt: 1 training images.*val_1\.jpg"):
        data.load(config(devkit))
