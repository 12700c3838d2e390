import io
import lzma
import struct

import numpy as np
import pytest

from rtickets.data import labelled
from rtickets.data.sources.make_fashion_mini import first_per_class, main
from rtickets.errors import InputError


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def idx_folder(tmp_path):
    """1,300 training and 210 test images a class in random order, 1x2 pixels that number them."""
    for part, per_class in (("train", 1300), ("t10k", 210)):
        labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), per_class))
        numbers = np.stack(np.divmod(np.arange(10 * per_class), 256), -1)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", numbers.astype(np.uint8)[:, None])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return tmp_path


def read(path):
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as arrays:
        return dict(arrays)


def test_the_first_of_every_class_stay_in_their_order():
    labels = np.array([*range(10), 3, 3, 0, 3, *range(10)], np.int32)
    images = np.arange(24, dtype=np.uint8).reshape(24, 1, 1, 1)
    chosen = first_per_class(labelled(images, labels), 2)
    expected = [*range(11), 12, 15, 16, 18, 19, 20, 21, 22, 23]
    assert chosen.images.ravel().tolist() == expected
    assert chosen.labels.tolist() == labels[expected].tolist()


def test_the_file_holds_the_first_1200_and_200_of_every_class(idx_folder, tmp_path):
    main(str(idx_folder), str(tmp_path / "mini.npz.xz"))
    arrays = read(tmp_path / "mini.npz.xz")
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    for part, per_class in (("train", 1200), ("test", 200)):
        labels, images = arrays[f"y_{part}"], arrays[f"x_{part}"]
        assert images.shape == (10 * per_class, 1, 2)
        assert np.bincount(labels).tolist() == [per_class] * 10
        numbers = images.reshape(-1, 2).astype(int) @ [256, 1]
        assert (np.diff(numbers) > 0).all()


def test_images_keep_their_labels(idx_folder, tmp_path):
    main(str(idx_folder), str(tmp_path / "mini.npz.xz"))
    arrays = read(tmp_path / "mini.npz.xz")
    source = np.frombuffer((idx_folder / "train-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    numbers = arrays["x_train"].reshape(-1, 2).astype(int) @ [256, 1]
    np.testing.assert_array_equal(arrays["y_train"], source[numbers])


def test_the_file_is_the_same_to_the_byte_on_every_run(idx_folder, tmp_path):
    for name in ("a", "b"):
        main(str(idx_folder), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_folder_without_the_four_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="has neither train-images-idx3-ubyte"):
        main(str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
