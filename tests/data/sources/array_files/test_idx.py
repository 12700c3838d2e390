"""IDX files, whole, cut, damaged and absurd."""

import gzip
import struct

import numpy as np
import pytest

from rtickets.data.sources.array_files import (
    existing,
    read_idx,
    read_idx_folder,
)
from rtickets.errors import InputError
from tests.data.sources.array_files.conftest import IMAGES, LABELS


def idx(array):
    header = bytes([0, 0, 8, array.ndim])
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    for part, count in (("train", 6), ("t10k", 3)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(IMAGES[:count]))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:count])))
    return tmp_path


def test_a_source_without_a_path_gets_the_hint():
    with pytest.raises(InputError, match=r"source='npz' .*data\.path: a file of arrays"):
        existing(None, "npz", "a file of arrays")


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.path='.*/no' .*a folder"):
        existing(str(tmp_path / "no"), "folder", "a folder")
    assert existing(str(tmp_path), "folder", "a folder") == tmp_path


@pytest.mark.parametrize("array", [IMAGES, LABELS, IMAGES[None], np.array(7, np.uint8)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, array, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(gzip.compress(idx(array)) if suffix else idx(array))
    read = read_idx(path)
    assert (read.dtype, read.shape) == (np.uint8, array.shape)
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("data", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\0", b"\x89PNG\r\n", b"PK"])
def test_a_file_that_is_no_idx_of_bytes_is_named(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match=r"file: .*IDX"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("length", [*range(4, len(idx(IMAGES))), -1])
def test_an_idx_file_cut_anywhere_is_refused(tmp_path, length):
    (tmp_path / "file").write_bytes(idx(IMAGES)[:length])
    with pytest.raises(InputError, match=r"file: (holds -?\d+ bytes|cut off)"):
        read_idx(tmp_path / "file")


def test_an_idx_file_with_more_than_its_header_says_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(idx(IMAGES) + b"\0")
    with pytest.raises(InputError, match=r"36 bytes and more.*\(6, 3, 2\)"):
        read_idx(tmp_path / "file")


def test_a_shape_beyond_64_bits_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(bytes([0, 0, 8, 4]) + struct.pack(">4I", *[2**16] * 4))
    with pytest.raises(InputError, match="holds 0 bytes"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", b"no gzip"])
def test_a_gzip_file_that_is_none_is_refused(tmp_path, damage):
    (tmp_path / "file.gz").write_bytes(damage)
    with pytest.raises(InputError, match=r"file\.gz: (.*read|.*IDX)"):
        read_idx(tmp_path / "file.gz")


def test_a_flipped_bit_in_a_gzip_file_is_refused(tmp_path):
    whole = gzip.compress(idx(IMAGES), mtime=0)
    for position in range(10, len(whole)):
        data = bytearray(whole)
        data[position] ^= 0x5A
        (tmp_path / "file.gz").write_bytes(bytes(data))
        with pytest.raises(InputError, match=r"file\.gz: (.*read|.*IDX|h)"):
            read_idx(tmp_path / "file.gz")


def test_an_idx_folder_has_both_splits(idx_folder):
    raw = read_idx_folder(idx_folder, ("a", "b", "c"))
    assert raw.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(raw.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(raw.train.labels, LABELS)
    np.testing.assert_array_equal(raw.test.images[..., 0], IMAGES[:3])
    np.testing.assert_array_equal(raw.test.labels, LABELS[:3])


def test_a_missing_idx_file_is_named(idx_folder):
    (idx_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz"):
        read_idx_folder(idx_folder, ("a", "b", "c"))


def test_idx_files_that_do_not_belong_together_are_named(idx_folder):
    (idx_folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES[:5]))
    with pytest.raises(InputError, match=r"train: labels .*uint8.* \(6,\)"):
        read_idx_folder(idx_folder, ("a", "b", "c"))


# What a file claims, or packs, beyond what it has.
@pytest.mark.parametrize(
    ("header", "message"),
    [
        (bytes([0, 0, 8, 255]) + b"\xff" * 1020, "has 255 axes"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, "(would unpack|holds 0)"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 10**6, 1000, 1000), "(would unpack|holds 0)"),
        (bytes([0, 0, 8, 2]) + struct.pack(">2I", 0, 2**32 - 1), None),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_absurd_headers_of_idx_files_are_refused(tmp_path, header, message, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(gzip.compress(header) if suffix else header)
    if message is None:
        assert read_idx(path).shape == (0, 2**32 - 1)
        return
    with pytest.raises(InputError, match=f"file.*: .*{message}"):
        read_idx(path)


def test_zeros_that_would_fill_the_memory_are_not_unpacked(tmp_path):
    count = 2**27
    with gzip.open(tmp_path / "file.gz", "wb", 9) as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", count))
        for _ in range(count // 2**20):
            file.write(bytes(2**20))
    with pytest.raises(InputError, match=r"file\.gz: .*unpack to 134,217"):
        read_idx(tmp_path / "file.gz")
    packed = (tmp_path / "file.gz").read_bytes()
    (tmp_path / "more.gz").write_bytes(gzip.compress(idx(IMAGES)) + packed)
    with pytest.raises(InputError, match=r"36 bytes and more.*\(6, 3, 2\)"):
        read_idx(tmp_path / "more.gz")
