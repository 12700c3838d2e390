import gzip
import os
import pickle

import numpy as np
import pytest

from rtickets.data.sources.animals import read_animals
from rtickets.errors import InputError


def images_and_labels():
    """Two different images of each of the ten classes."""
    images = np.arange(20, dtype=np.uint8)[:, None, None] + np.zeros((1, 28, 28), np.uint8)
    return images, np.arange(20) % 10


def pickled(array):
    """Pickle an array under the names of NumPy 1, as the package did."""
    return pickle.dumps(array, protocol=3).replace(b"numpy._core.", b"numpy.core.")


@pytest.fixture
def folder(tmp_path):
    def write(images=None, labels=None):
        default_images, default_labels = images_and_labels()
        for kind, value, default in (
            ("data", images, default_images),
            ("label", labels, default_labels),
        ):
            data = (
                value if isinstance(value, bytes) else pickled(default if value is None else value)
            )
            (tmp_path / f"animal_{kind}_version_3.gz").write_bytes(gzip.compress(data))
        return tmp_path

    return write


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_arrays_are_read(folder):
    raw = read_animals(folder())
    images, labels = images_and_labels()
    np.testing.assert_array_equal(raw.train.images[..., 0], images)
    np.testing.assert_array_equal(raw.train.labels, labels)
    assert raw.test is None
    assert raw.class_names[:2] + raw.class_names[-1:] == ("bear", "bird", "zebra")
    assert len(raw.class_names) == 10


def test_the_first_of_equal_images_stays(folder):
    images, labels = images_and_labels()
    order = np.array([5, *range(20), 7, 3, 7])
    raw = read_animals(folder(images[order], labels[order]))
    kept = [5, 0, 1, 2, 3, 4, *range(6, 20)]
    assert raw.train.images[:, 0, 0, 0].tolist() == kept
    assert raw.train.labels.tolist() == labels[kept].tolist()


def test_a_call_is_refused_and_not_made(folder, tmp_path):
    canary = tmp_path / "canary"
    data = pickle.dumps(Call(os.mkdir, str(canary)))
    with pytest.raises(InputError, match=r"refused: .*posix\.mkdir"):
        read_animals(folder(data))
    assert not canary.exists()
    pickle.loads(data)
    assert canary.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Call(eval, "1"), r"builtins\.eval"),
        (Call(getattr, "a", "upper"), r"builtins\.getattr"),
        (np.load, r"numpy\.load"),
        (np.array([Call(eval, "1")], object), r"builtins\.eval"),
        (bytearray(b"1"), r"builtins\.bytearray"),
    ],
)
def test_nothing_but_arrays_is_loaded(folder, value, name):
    with pytest.raises(InputError, match=f"refused: .*{name}"):
        read_animals(folder(pickled(value)))


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "text", None, 3])
def test_what_is_no_array_is_named(folder, value):
    message = rf"data_version_3\.gz: .*a {type(value).__name__}, expected an"
    with pytest.raises(InputError, match=message):
        read_animals(folder(pickle.dumps(value)))


def test_a_missing_file_is_named(folder):
    path = folder()
    (path / "animal_label_version_3.gz").unlink()
    with pytest.raises(InputError, match=r"animal_label_version_3\.gz: .*read"):
        read_animals(path)


@pytest.mark.parametrize("damage", [b"", b"no gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff\xff"])
def test_a_file_that_is_no_gzip_is_named(folder, damage):
    path = folder()
    (path / "animal_data_version_3.gz").write_bytes(damage)
    with pytest.raises(InputError, match=r"animal_data_version_3\.gz: .*read"):
        read_animals(path)


def test_a_file_cut_off_is_named(folder):
    path = folder()
    file = path / "animal_data_version_3.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"animal_data_version_3\.gz: .*read"):
        read_animals(path)


def test_a_pickle_altered_anywhere_is_an_input_error_or_harmless(folder):
    whole = pickled(images_and_labels()[1].astype(np.uint8))
    path = folder()
    refused = 0
    for position in range(len(whole)):
        for data in (whole[:position], whole[:position] + b"\x11" + whole[position + 1 :]):
            (path / "animal_label_version_3.gz").write_bytes(gzip.compress(data, 1))
            try:
                read_animals(path)
            except InputError:
                refused += 1
    assert refused > 1.5 * len(whole)


def test_a_forged_dtype_does_not_reach_numpy(folder):
    labels = images_and_labels()[1].astype(np.uint8)
    forged = pickled(labels).replace(b"K\x00t", b"K\x3ft")  # the flags of the dtype
    assert forged != pickled(labels)
    np.testing.assert_array_equal(read_animals(folder(labels=forged)).train.labels, labels)
    assert np.dtype(np.uint8).flags == 0


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((20, 28, 28)), None, "animals: images are float64"),
        (np.array([None]), None, r"data_version_3\.gz: .* an array of \|O8, expected numbers"),
        (np.array(["a"]), None, r"data_version_3\.gz: .* an array of <U1, expected numbers"),
        (np.zeros(20, np.uint8), None, r"animals: images .*\(20,\)"),
        (None, np.arange(19) % 10, r"animals: labels .*int64.*\(19,\)"),
        (None, np.array(3), r"animals: labels .*int64.*\(\)"),
        (None, np.arange(20) % 9, "animals: class 9"),
    ],
)
def test_arrays_of_another_kind_are_named(folder, images, labels, message):
    with pytest.raises(InputError, match=message):
        read_animals(folder(images, labels))


NESTED = b"K\x01" + b"2\x86" * 60  # in every step a tuple of the last one, twice


@pytest.mark.parametrize(
    "words", [b"}" + NESTED + b"K\x02s.", b"}K\x02" + NESTED + b"s.", NESTED + b"."]
)
def test_nesting_takes_no_time(folder, words):
    """A key of 2^60 parts would be hashed for ever, a value of as many copied."""
    with pytest.raises(InputError, match=r"data_version_3\.gz: .*read"):
        read_animals(folder(b"\x80\x02" + words))


def test_zeros_that_would_fill_the_memory_are_refused(folder):
    path = folder()
    with gzip.open(path / "animal_data_version_3.gz", "wb", 9) as file:
        for _ in range(80):
            file.write(bytes(2**20))
    with pytest.raises(InputError, match=r"data_version_3\.gz: .*unpack"):
        read_animals(path)
