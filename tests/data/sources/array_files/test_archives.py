"""Archives of arrays: what they may hold, damage, and what would fill the memory."""

import struct
import warnings
import zipfile

import numpy as np
import pytest

from rtickets.data.sources.array_files import (
    raw_from_arrays,
    read_npz,
)
from rtickets.errors import InputError
from tests.data.sources.array_files.conftest import IMAGES, LABELS

ARRAYS = {"x_train": IMAGES, "y_train": LABELS}


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_an_archive_with_one_split_numbers_its_classes(npz):
    raw = read_npz(npz(**ARRAYS))
    assert raw.test is None
    assert raw.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(raw.train.images[..., 0], IMAGES)


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (np.array(["ä".encode(), b"b", b"c"]), ("ä", "b", "c")),
        (np.array([7, 8, 9]), ("7", "8", "9")),
    ],
)
def test_class_names_may_be_bytes_or_numbers(npz, names, texts):
    assert read_npz(npz(**ARRAYS, class_names=names)).class_names == texts


@pytest.mark.parametrize("name", ["x_train.npy", "x_train", "class_names.npy"])
def test_an_archive_that_holds_an_array_twice_is_refused(npz, name):
    path = npz(**ARRAYS, class_names=np.array(["a", "b", "c"]))
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of the duplicate
        archive.writestr(name, b"")
    with pytest.raises(InputError, match=f"holds {name.removesuffix('.npy')} more than once"):
        read_npz(path)


def test_an_archive_may_have_a_test_split_and_class_names(npz):
    names = np.array(["ant", "bee", "cow"])
    raw = read_npz(npz(**ARRAYS, x_test=IMAGES[:3], y_test=LABELS[:3], class_names=names))
    assert raw.class_names == ("ant", "bee", "cow")
    assert type(raw.class_names[0]) is str
    np.testing.assert_array_equal(raw.test.labels, [0, 1, 2])


def test_pickled_arrays_are_refused_and_not_executed(npz):
    path = npz(x_train=np.array([Trap()], object), y_train=LABELS)
    with pytest.raises(InputError, match=r"set\.npz: .*Object arrays"):
        read_npz(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no archive at all", b"\x80\x04K\x01."])
def test_a_file_that_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "set.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"set\.npz: .*\.npz"):
        read_npz(tmp_path / "set.npz")


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    with pytest.raises(InputError, match=r"x\.npy: .*\.npz"):
        read_npz(tmp_path / "x.npy")


def test_a_folder_is_no_archive(tmp_path):
    with pytest.raises(InputError, match=r"read: .*folder"):
        read_npz(tmp_path)


def test_damage_anywhere_in_an_archive_is_named_or_harmless(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", **ARRAYS)
    whole = (tmp_path / "set.npz").read_bytes()
    refused = 0
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0xFF
        (tmp_path / "set.npz").write_bytes(bytes(data))
        try:
            raw = read_npz(tmp_path / "set.npz")
        except InputError:
            refused += 1
            continue
        np.testing.assert_array_equal(raw.train.images[..., 0], IMAGES)
        np.testing.assert_array_equal(raw.train.labels, LABELS)
    assert refused > len(whole) / 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "pets: has nothing; expected x_train, y_train"),
        ({"x_train": IMAGES}, "pets: has x_train; expected x_train, y_train"),
        (ARRAYS | {"x_test": IMAGES}, "pets: has x_test, x_train, y_train; .* both of x_test"),
        (ARRAYS | {"y_test": LABELS}, "pets: has x_train, y_test, y_train"),
        (ARRAYS | {"y_train": LABELS[:2]}, r"pets: train: labels .*uint8.*\(2,\)"),
        (ARRAYS | {"y_train": LABELS[:0]}, r"pets: train: labels .*uint8.*\(0,\)"),
        (ARRAYS | {"y_train": LABELS / 1}, "pets: train: labels .*float64"),
        (ARRAYS | {"y_train": LABELS * 2}, "pets: train: class 1"),
        (ARRAYS | {"y_train": LABELS - 3.0}, "pets: train: labels .*float64"),
        (
            ARRAYS | {"class_names": np.array(["a", "b"])},
            r"labels .*\[0, 2\]; .*\[0, 2",
        ),
        (ARRAYS | {"class_names": np.array("a")}, r"class_names are <U1 of shape \(\)"),
        (ARRAYS | {"class_names": np.array([["a"], ["b"], ["c"]])}, r"<U1 of shape \(3, 1\)"),
        (ARRAYS | {"class_names": np.array([0.5, 1, 2])}, "class_names are float64"),
        (ARRAYS | {"class_names": np.array([b"a", b"b", b"\xff"])}, "no UTF-8"),
        (
            ARRAYS | {"x_test": IMAGES[:, :2], "y_test": LABELS},
            r"pets: test .*\(2, 2, 1\), .*\(3, 2, 1\)",
        ),
        (
            ARRAYS | {"x_test": IMAGES[:2], "y_test": LABELS[:2]},
            "pets: test: class 2",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, message):
    with pytest.raises(InputError, match=message):
        raw_from_arrays(arrays, "pets")


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in ("a", "b", "c"):
            file.writestr(f"{name}.npy", bytes(2**25))
    with pytest.raises(InputError, match=r"set\.npz: .*unpack to 100,66"):
        read_npz(tmp_path / "set.npz")


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(4294967296, 4294967296)", "(-1,)"])
def test_an_array_that_claims_more_than_the_archive_holds_is_refused(tmp_path, npz, shape):
    npz(**ARRAYS)
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    contents = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as file:
        file.writestr("x_train.npy", contents)
        file.writestr("y_train.npy", contents)
    with pytest.raises(InputError, match=r"odd\.npz: "):
        read_npz(tmp_path / "odd.npz")


def test_arrays_of_other_names_are_not_read_and_said(npz):
    raw = read_npz(npz(**ARRAYS, x_val=IMAGES, y_val=LABELS, odd=np.array([Trap()], object)))
    assert raw.notes == ("arrays that are not read: odd, x_val, y_val",)
    assert read_npz(npz(**ARRAYS)).notes == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2, 2, 1, 10**9]), "6 .*1,000,000,001 classes"),
        (np.array([0, 1, 2, 2, 1, 2**64 - 1], np.uint64), "of 18,446,744,073,709,551,616 classes"),
        (np.array([0, 1, 2, 2, 1, -1]), r"labels lie in \[-1, 2\]"),
        (np.eye(6, dtype=int), r"\(6, 6\); .*integers .* argmax"),
        (LABELS > 1, "labels are bool"),
        (LABELS[:, None], r"of shape \(6, 1\)"),
    ],
)
def test_labels_that_are_none_cost_nothing(labels, message):
    with pytest.raises(InputError, match=f"set: .*{message}"):
        raw_from_arrays(ARRAYS | {"y_train": labels}, "set")


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.int8, ">i4"])
def test_labels_of_every_integer_type_are_taken(dtype):
    raw = raw_from_arrays(ARRAYS | {"y_train": LABELS.astype(dtype)}, "set")
    assert raw.train.labels.dtype == np.int32
    assert raw.train.labels.tolist() == LABELS.tolist()


def test_more_names_than_examples_are_not_made(tmp_path):
    names = np.zeros(10**7, "S1")
    with pytest.raises(InputError, match=r"6 training labels .*10,000,000 classes"):
        raw_from_arrays(ARRAYS | {"class_names": names}, "set")
