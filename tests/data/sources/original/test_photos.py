"""Sets of photographs in the layouts of their authors, a few images each."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from rtickets.data.sources.original import photos
from rtickets.errors import InputError


def names(examples):
    return [blob.path.name for blob in examples.images]


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def refuses(read, root, message):
    with pytest.raises(InputError, match=message):
        read(root)


def test_caltech101_takes_the_first_30_of_a_class(tmp_path, save_image):
    folder = tmp_path / "caltech-101" / "101_ObjectCategories"
    for name, count in (("ant", 32), ("Faces", 31), ("BACKGROUND_Google", 3)):
        for number in range(1, count + 1):
            save_image(folder / name / f"image_{number:04d}.jpg", number)
    found = photos.read_caltech101(tmp_path)
    assert found.class_names == ("Faces", "ant")
    assert np.bincount(found.splits["train"].labels).tolist() == [30, 30]
    test = found.splits["test"]
    assert names(test) == ["image_0031.jpg", "image_0031.jpg", "image_0032.jpg"]
    assert test.labels.tolist() == [0, 1, 1]
    (folder / "Faces" / "image_0001.jpg").unlink()
    with pytest.raises(InputError, match=r"Faces: .*30 images"):
        photos.read_caltech101(tmp_path)


@pytest.fixture
def flowers(tmp_path, save_image):
    for number in range(1, 7):
        save_image(tmp_path / "102flowers.tgz" / "jpg" / f"image_{number:05d}.jpg", number)
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[102, 1, 1, 2, 3, 102]])})
    sets = {"trnid": [[1]], "valid": [[3]], "tstid": [[2, 4, 5, 6]]}
    savemat(tmp_path / "setid.mat", {name: np.array(ids) for name, ids in sets.items()})
    return tmp_path


def test_flowers_train_on_training_and_validation_images(flowers):
    savemat(
        flowers / "setid.mat",
        {"trnid": np.array([[5, 1]]), "valid": np.array([[3, 2]]), "tstid": np.array([[6, 4]])},
    )
    found = photos.read_flowers102(flowers)
    assert names(found.splits["train"]) == [f"image_{i:05d}.jpg" for i in (1, 2, 3, 5)]
    assert found.splits["train"].labels.tolist() == [101, 0, 0, 2]
    assert found.splits["test"].labels.tolist() == [1, 101]
    assert len(found.class_names) == 102


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[102, 1, 1]], "image 5.*imagelabels.mat .*3"),
        ([[102, 1, 1, 103, 3, 2]], r"imagelabels.mat: image_00004.jpg .*102"),
    ],
)
def test_flowers_with_wrong_labels_are_refused(flowers, labels, message):
    savemat(flowers / "imagelabels.mat", {"labels": np.array(labels)})
    savemat(
        flowers / "setid.mat",
        {"trnid": np.array([[1, 2]]), "valid": np.array([[3, 5]]), "tstid": np.array([[6, 4]])},
    )
    with pytest.raises(InputError, match=message):
        photos.read_flowers102(flowers)


def test_dtd_takes_its_first_partition(tmp_path, save_image):
    root = tmp_path / "dtd"
    for split, files in (("train1", "ab"), ("val1", "c"), ("test1", "de")):
        rows = [f"{texture}/{texture}_{f}.jpg" for texture in ("lined", "banded") for f in files]
        lines(root / "labels" / f"{split}.txt", *rows)
        for row in rows:
            save_image(root / "images" / row)
    found = photos.read_dtd(tmp_path)
    assert found.class_names == ("banded", "lined")
    assert len(found.splits["train"].images) == 6
    assert found.splits["test"].labels.tolist() == [1, 1, 0, 0]
    lines(root / "labels" / "test1.txt", "lined/../../../evil.jpg")
    refuses(photos.read_dtd, tmp_path, r"labels: lists 'lined/\.\./\.\./\.\./evil\.jpg'")
    lines(root / "labels" / "test1.txt", "lined/lined_d.jpg")
    (root / "images" / "lined" / "lined_d.jpg").unlink()
    with pytest.raises(InputError, match=r"labels: .*lined_d\.jpg"):
        photos.read_dtd(tmp_path)


def test_pets_are_classes_of_breeds(tmp_path, save_image):
    header = "#Image CLASS-ID SPECIES BREED ID"
    lines(
        tmp_path / "a" / "annotations" / "trainval.txt",
        header, "Abyssinian_100 1 1 1", "american_bulldog_7 2 2 1",
    )  # fmt: skip
    lines(tmp_path / "a" / "annotations" / "test.txt", "american_bulldog_9 2 2 1")
    for name in ("Abyssinian_100", "american_bulldog_7", "american_bulldog_9"):
        save_image(tmp_path / "b" / "images" / f"{name}.jpg")
    found = photos.read_pets(tmp_path)
    assert found.class_names == ("Abyssinian", "american_bulldog")
    assert found.splits["train"].labels.tolist() == [0, 1]
    assert names(found.splits["test"]) == ["american_bulldog_9.jpg"]
    for name in ("../evil", "/etc/evil", "a\\b", "a\0b"):
        lines(tmp_path / "a" / "annotations" / "test.txt", f"{name} 2 2 1")
        refuses(photos.read_pets, tmp_path, r"test\.txt: lists '.*\.jpg', which is not in images")
    lines(tmp_path / "a" / "annotations" / "test.txt", "american_bulldog_9 two")
    with pytest.raises(InputError, match=r"test\.txt: .*'american_bulldog_9 two'"):
        photos.read_pets(tmp_path)


def test_sun397_has_classes_of_several_words(tmp_path, save_image):
    classes = ("/a/abbey", "/a/airport/inside")
    lines(tmp_path / "Partitions" / "ClassName.txt", *classes)
    for part, number in (("Training_01", 1), ("Testing_01", 2)):
        rows = [f"{name}/sun_{number}.jpg" for name in classes]
        lines(tmp_path / "Partitions" / f"{part}.txt", *rows)
        for row in rows:
            save_image(tmp_path / "SUN397" / row.strip("/"))
    found = photos.read_sun397(tmp_path)
    assert found.class_names == ("a/abbey", "a/airport/inside")
    assert found.splits["test"].labels.tolist() == [0, 1]
    lines(tmp_path / "Partitions" / "Testing_01.txt", "/a/abbey/..")
    refuses(photos.read_sun397, tmp_path, r"Testing_01\.txt: lists 'a/abbey/\.\.'")
    lines(tmp_path / "Partitions" / "Testing_01.txt", "/a/zoo/sun_1.jpg")
    with pytest.raises(InputError, match=r"Testing_01\.txt: .*'a/zoo'"):
        photos.read_sun397(tmp_path)


def annotations(*rows):
    """A struct array as MATLAB has it."""
    kinds = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
    return {"annotations": np.array([(4, label, name) for label, name in rows], kinds)}


def test_cars_have_their_test_labels_in_a_file_of_their_own(tmp_path, save_image):
    devkit = tmp_path / "devkit"
    devkit.mkdir()
    names_of = {"class_names": np.array(["AM General Hummer", "Acura RL"], object)}
    savemat(devkit / "cars_meta.mat", names_of)
    savemat(devkit / "cars_train_annos.mat", annotations((2, "00001.jpg"), (1, "00002.jpg")))
    savemat(
        tmp_path / "cars_test_annos_withlabels.mat", annotations((1, "00001.jpg"), (2, "00002.jpg"))
    )
    for part in ("train", "test"):
        for number in (1, 2):
            save_image(tmp_path / f"cars_{part}" / f"{number:05d}.jpg")
    found = photos.read_cars196(tmp_path)
    assert found.class_names == ("AM General Hummer", "Acura RL")
    assert found.splits["train"].labels.tolist() == [1, 0]
    assert found.splits["test"].images[1].path.parent.name == "cars_test"
    savemat(devkit / "cars_train_annos.mat", annotations((2, "/etc/evil.jpg"), (1, "00002.jpg")))
    refuses(photos.read_cars196, tmp_path, r"cars_train_annos\.mat: lists '/etc/evil\.jpg'")
    savemat(devkit / "cars_train_annos.mat", {"annotations": np.zeros((2, 2))})
    with pytest.raises(InputError, match=r"annotations .*class and fname"):
        photos.read_cars196(tmp_path)


@pytest.mark.parametrize("form", ["json", "txt"])
def test_food101_lists_come_as_json_or_text(tmp_path, save_image, form):
    meta = tmp_path / "food-101" / "meta"
    lines(meta / "classes.txt", "apple_pie", "beignets")
    for part, number in (("train", 1), ("test", 2)):
        rows = {name: [f"{name}/{number}"] for name in ("apple_pie", "beignets")}
        if form == "json":
            (meta / f"{part}.json").write_text(json.dumps(rows))
        else:
            lines(meta / f"{part}.txt", *(row[0] for row in rows.values()))
        for (row,) in rows.values():
            save_image(tmp_path / "food-101" / "images" / f"{row}.jpg")
    found = photos.read_food101(tmp_path)
    assert found.class_names == ("apple_pie", "beignets")
    assert names(found.splits["test"]) == ["2.jpg", "2.jpg"]
    evil = "apple_pie/../../../evil"
    (meta / f"train.{form}").write_text(json.dumps({"a": [evil]}) if form == "json" else evil)
    refuses(photos.read_food101, tmp_path, rf"train\.{form}: lists 'apple_pie/\.\..*evil\.jpg'")
    for odd in ('{"a": null}', '{"a": [5]}') if form == "json" else ():
        (meta / "train.json").write_text(odd)
        refuses(photos.read_food101, tmp_path, r"train\.json: 'a' is no list of names")
    (meta / f"train.{form}").write_text("[]" if form == "json" else "\n")
    with pytest.raises(InputError, match=r"train\.(json: .*list|txt: .*nothing)"):
        photos.read_food101(tmp_path)


def test_aircraft_variants_may_have_spaces(tmp_path, save_image):
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    lines(data / "variants.txt", "707-320", "Challenger 600")
    lines(data / "images_variant_trainval.txt", "0000001 Challenger 600", "0000002 707-320")
    lines(data / "images_variant_test.txt", "0000003 Challenger 600")
    for number in range(1, 4):
        save_image(data / "images" / f"{number:07d}.jpg")
    found = photos.read_aircraft(tmp_path)
    assert found.splits["train"].labels.tolist() == [1, 0]
    assert names(found.splits["test"]) == ["0000003.jpg"]
    lines(data / "images_variant_test.txt", "../evil Challenger 600")
    refuses(photos.read_aircraft, tmp_path, r"variant_test\.txt: lists '\.\./evil\.jpg'")


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no labels/train1\.txt"):
        photos.read_dtd(tmp_path)
