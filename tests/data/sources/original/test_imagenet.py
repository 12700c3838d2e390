"""ImageNet from archives of the authors' layout: an archive of archives, and a development kit."""

import io
import tarfile

import numpy as np
import pytest
from scipy.io import savemat

from rtickets.data.sources.original.imagenet import read_imagenet
from rtickets.errors import InputError

WNIDS = ("n02", "n01")  # ILSVRC numbers 1 and 2: not in the order of the identifiers


def add(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def packed(files, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            add(archive, name, data)
    return buffer.getvalue()


def content(name):
    return f"image {name} ".encode() * (1 + len(name))


@pytest.fixture
def archives(tmp_path):
    inner = {
        f"{wnid}.tar": packed({f"{wnid}_{i}.JPEG": content(f"{wnid}_{i}") for i in (2, 10)})
        for wnid in WNIDS
    }
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(packed(inner))
    val = {f"ILSVRC2012_val_{i:08d}.JPEG": content(f"val{i}") for i in (1, 2, 3)}
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(packed(dict(reversed(val.items()))))
    rows = [(1, "n02", "bird", 0), (2, "n01", "fish", 0), (3, "n00", "animal", 2)]
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array(rows, kinds)})
    kit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": meta.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"2\n1\n2\n",
    }
    (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(packed(kit, "w:gz"))
    return tmp_path


def test_images_are_read_out_of_the_archives_in_archives(archives):
    found = read_imagenet(archives)
    assert found.class_names == ("n01", "n02")
    train = found.splits["train"]
    assert train.labels.tolist() == [0, 0, 1, 1]
    names = ("n01_10", "n01_2", "n02_10", "n02_2")
    assert [blob.read() for blob in train.images] == [content(name) for name in names]


def test_validation_images_have_the_kit_s_labels_in_the_order_of_their_numbers(archives):
    test = read_imagenet(archives).splits["test"]
    assert test.labels.tolist() == [0, 1, 0]
    assert [blob.read() for blob in test.images] == [content(f"val{i}") for i in (1, 2, 3)]


def test_folders_per_class_will_do(tmp_path, save_image):
    for split in ("train", "val"):
        for wnid in WNIDS:
            save_image(tmp_path / split / wnid / f"{wnid}_1.jpg")
            (tmp_path / split / wnid / f"{wnid}_1.jpg").rename(
                tmp_path / split / wnid / f"{wnid}_1.JPEG"
            )
    found = read_imagenet(tmp_path)
    assert found.class_names == ("n01", "n02")
    assert found.splits["test"].labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ILSVRC2012_img_val.tar", "has no ILSVRC2012_img_val.tar, nor folders"),
        ("ILSVRC2012_devkit_t12.tar.gz", "has neither ILSVRC2012_devkit_t12.tar.gz nor"),
    ],
)
def test_missing_files_are_named(archives, name, message):
    (archives / name).unlink()
    with pytest.raises(InputError, match=message):
        read_imagenet(archives)


def test_a_broken_archive_is_named(archives):
    (archives / "ILSVRC2012_img_train.tar").write_bytes(b"x" * 1024)
    with pytest.raises(InputError, match=r"img_train\.tar: .*archive"):
        read_imagenet(archives)


def test_too_few_validation_images_are_refused(archives):
    val = {"ILSVRC2012_val_00000001.JPEG": b"one"}
    (archives / "ILSVRC2012_img_val.tar").write_bytes(packed(val))
    with pytest.raises(InputError, match=r"1 images.* 3 labels"):
        read_imagenet(archives)
