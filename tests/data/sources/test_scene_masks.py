"""Cityscapes and ADE20K from small folders in their exact layout, and from hostile ones."""

import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.stream import TrainingOrder, training_batches
from rtickets.data.sources.original.ade20k import read_ade20k
from rtickets.data.sources.original.cityscapes import CITYSCAPES_CLASSES, read_cityscapes
from rtickets.errors import InputError
from rtickets.tasks import Segmentation, task_of
from rtickets.training.inputs import device_transform


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)


def cityscapes(root, ending="labelIds", values=(7, 26, 0, 255)):
    """Two cities of training images and one of validation, 30 x 60 pixels."""
    rng = np.random.default_rng(0)
    for part, cities in (("train", ("aachen", "bochum")), ("val", ("lindau",))):
        for city in cities:
            for frame in range(3):
                name = f"{city}_00000{frame}_000019"
                image = rng.integers(60, 90, (30, 60, 3))
                mask = np.full((30, 60), values[0])
                mask[10:20, 5:30], mask[:5], mask[5:7] = values[1:]
                image[10:20, 5:30] = 240
                save(root / f"leftImg8bit/{part}/{city}/{name}_leftImg8bit.png", image)
                save(root / f"gtFine/{part}/{city}/{name}_gtFine_{ending}.png", mask)
                save(root / f"gtFine/{part}/{city}/{name}_gtFine_color.png", image)
    return root


def ade20k(root, names=True):
    folder = root / "ADEChallengeData2016"
    rng = np.random.default_rng(1)
    for part, count in (("training", 4), ("validation", 2)):
        for number in range(count):
            name = f"ADE_{part[:-3]}_{number:08d}"
            image, mask = rng.integers(60, 90, (20, 30 + number, 3)), np.zeros((20, 30 + number))
            mask[3:9, 4:20], mask[12:, :] = 1, 150
            save(folder / f"images/{part}/{name}.jpg", image, quality=95)
            save(folder / f"annotations/{part}/{name}.png", mask)
    if names:
        rows = ["Idx\tRatio\tTrain\tVal\tStuff\tName"]
        rows += [f"{n}\t0.1\t1\t1\t1\t{'screen, tv' if n in (131, 145) else f'thing{n}, it'}"
                 for n in range(1, 151)]  # fmt: skip
        (folder / "objectInfo150.txt").write_text("\n".join(rows))
    return root


def config(source, path, **fields):
    own = {"validation_fraction": 0.25, "task": Segmentation(decoder="none"), "workers": 1}
    return DataConfig(source=source, path=str(path), **{**own, **fields})


@pytest.mark.parametrize(
    ("ending", "values"), [("labelIds", (7, 26, 0, 255)), ("labelTrainIds", (0, 13, 255, 255))]
)
def test_streets_have_19_classes_whichever_numbers_masks_have(tmp_path, ending, values):
    asked = config("cityscapes", cityscapes(tmp_path, ending, values))
    dataset = data.load(asked)
    assert [len(split) for split in dataset[:3]] == [4, 2, 3]
    assert dataset.class_names == CITYSCAPES_CLASSES
    assert not dataset.ground
    task = task_of(asked)
    about = task.about(dataset)
    assert task.width(about) == sizes_of(config("cityscapes", tmp_path)).outputs == 19
    assert task.class_names(about)[13] == "car"
    images, masks = (np.asarray(dataset.test.arrays[name]) for name in ("image", "mask"))
    assert (images.shape, masks.shape) == ((3, 1024, 2048, 3), (3, 1024, 2048))
    assert (masks[:, 30:] == 255).all()
    assert (masks[:, :7, :60] == 255).all()
    assert (masks[:, 10:20, 5:30] == 13).all()
    assert (masks[:, 25, :60] == 0).all()
    assert (images[:, 10:20, 5:30] == 240).all()
    assert 0.2 < dataset.mean[0] < 0.6


def test_scenes_have_150_classes_and_0_counts_nowhere(tmp_path):
    asked = config("ade20k", ade20k(tmp_path), image_size=(16, 24), random_scale=(0.5, 2.0))
    dataset = data.load(asked)
    assert len(dataset.class_names) == len(set(dataset.class_names)) == 150
    assert dataset.class_names[0] == "thing1"
    assert dataset.class_names[130] == "screen 131"
    assert task_of(asked).width(task_of(asked).about(dataset)) == 150
    masks = np.asarray(dataset.test.arrays["mask"])
    assert set(np.unique(masks)) == {0, 149, 255}
    assert (masks[:, 3:9, 4:20] == 0).all()
    transform = device_transform(make_transform(asked).left_to_do(dataset), dataset.train)
    (raw,) = training_batches(dataset.train, TrainingOrder(3, 3, 0, 0, 1))
    batch = task_of(asked).augment(transform, jax.random.split(jax.random.key(0), 3), raw)
    assert batch["image"].shape == (3, 16, 24, 3)
    assert set(np.unique(batch["mask"])) <= {0, 149, 255}


def test_names_are_numbers_where_nobody_says_them_and_large_images_are_scaled_down(tmp_path):
    folder = ade20k(tmp_path, names=False) / "ADEChallengeData2016"
    assert read_ade20k(tmp_path)[0][:2] == ("0", "1")
    (folder / "objectInfo150.txt").write_text("Idx\tName\n1\twall")
    with pytest.raises(InputError, match=r"objectInfo150\.txt: has 1 rows.*150"):
        read_ade20k(tmp_path)
    (folder / "objectInfo150.txt").unlink()
    name = "ADE_train_00000009"
    mask = np.full((600, 2000), 5)
    mask[:, 1000:] = 6
    save(folder / f"images/training/{name}.jpg", np.zeros((600, 2000, 3)))
    save(folder / f"annotations/training/{name}.png", mask)
    _, splits = read_ade20k(tmp_path)
    found = splits["train"]
    index = [path.stem for path in found.images].index(name)
    image, classes = found.read_image(index), found.read_mask(index)
    assert image.shape == (307, 1024, 3)
    assert classes.shape == (307, 1024)
    assert (classes[:, :512] == 4).all()
    assert (classes[:, 512:] == 5).all()


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"needs data\.path: the folder of leftImg8bit and gtFine"):
        data.load(DataConfig(source="cityscapes"))
    with pytest.raises(InputError, match=r"has no leftImg8bit/train"):
        data.load(config("cityscapes", tmp_path))
    with pytest.raises(InputError, match=r"has no annotations/training"):
        data.load(config("ade20k", tmp_path))


def palette(path):
    image = Image.open(path).convert("P")
    image.save(path)


def coloured(path):
    save(path, np.zeros((30, 60, 3)))


def deep(path):
    Image.fromarray(np.full((30, 60), 300, np.uint16)).save(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), r"1 files have no mask, such as .*aachen_000001"),
        (palette, r"aachen_000001.*has mode P; expected one channel of 8 bits"),
        (coloured, r"aachen_000001.*has mode RGB"),
        (deep, r"aachen_000001.*has mode I;16"),
        (lambda path: save(path, np.zeros((30, 61))), r"is 30x61, its image .* 30x60"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n"), r"aachen_000001.*cannot be read"),
        (lambda path: save(path, np.full((30, 60), 77)), r"aachen_000001.*the value 77"),
    ],
)
def test_a_pair_that_does_not_fit_is_named_before_anything_is_computed(tmp_path, change, said):
    cityscapes(tmp_path)
    change(tmp_path / "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png")
    with pytest.raises(InputError, match=said) as caught:
        data.load(config("cityscapes", tmp_path))
    assert "\n" not in str(caught.value)


def test_a_mask_without_its_image_and_an_empty_split_are_named(tmp_path):
    cityscapes(tmp_path)
    (tmp_path / "leftImg8bit/val/lindau/lindau_000002_000019_leftImg8bit.png").unlink()
    with pytest.raises(InputError, match=r"1 files have no image, such as .*lindau_000002"):
        read_cityscapes(tmp_path)
    for path in (tmp_path / "gtFine/val/lindau").glob("*labelIds.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"gtFine/val: has no CITY/\*_gtFine_labelIds\.png or"):
        read_cityscapes(tmp_path)


def test_an_unknown_class_of_a_mask_that_was_not_looked_at_is_named_when_it_is_read(tmp_path):
    ade20k(tmp_path)
    folder = tmp_path / "ADEChallengeData2016"
    dataset = data.load(config("ade20k", tmp_path))
    save(folder / "annotations/validation/ADE_validat_00000000.png", np.full((20, 30), 151))
    with pytest.raises(InputError, match=r"ADE_validat_00000000\.png: has the value 151"):
        np.asarray(dataset.test.arrays["mask"])
