"""CIFAR and SVHN in the formats of their authors."""

import pickle

import numpy as np
import pytest
from scipy.io import savemat

from rtickets.data.sources.original.cifar_svhn import read_cifar10, read_cifar100, read_svhn
from rtickets.errors import InputError

NESTED = [0]
for _ in range(60):  # 2^60 parts, for who looks into them
    NESTED = [NESTED, NESTED]
NAMES10 = [f"class{i}" for i in range(10)]


def images(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def flat(pixels):
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def dump(path, value):
    """Write a pickle as Python 2 did: protocol 2, keys and text as byte strings."""
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.fixture
def batches():
    """Five training batches of 4 images and a test batch of 10: (images, labels) each."""
    labels = [np.arange(4 * i, 4 * i + 4) % 10 for i in range(5)] + [np.arange(10)]
    return [(images(len(one), seed), one) for seed, one in enumerate(labels)]


@pytest.fixture
def python_version(tmp_path, batches):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, (pixels, labels) in zip(
        [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], batches, strict=True
    ):
        dump(
            folder / name, {b"data": flat(pixels), b"labels": labels.tolist(), b"batch_label": b"x"}
        )
    dump(folder / "batches.meta", {b"label_names": [name.encode() for name in NAMES10]})
    return tmp_path


@pytest.fixture
def binary_version(tmp_path, batches):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, (pixels, labels) in zip(
        [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"], batches, strict=True
    ):
        records = np.concatenate([labels.astype(np.uint8)[:, None], flat(pixels)], 1)
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES10) + "\n\n")
    return tmp_path


@pytest.mark.parametrize("version", ["python_version", "binary_version"])
def test_cifar10_of_both_versions(version, batches, request):
    raw = read_cifar10(request.getfixturevalue(version))
    assert raw.class_names == tuple(NAMES10)
    expected = np.concatenate([pixels for pixels, _ in batches])
    np.testing.assert_array_equal(raw.train.images, expected[:20])
    np.testing.assert_array_equal(raw.test.images, expected[20:])
    assert raw.train.labels.tolist() == [i % 10 for i in range(20)]


@pytest.mark.parametrize("binary", [False, True])
def test_cifar100_has_fine_labels(tmp_path, binary):
    pixels, fine, coarse = images(100, 0), np.arange(100), np.arange(100) // 5
    names = [f"fine{i}" for i in range(100)]
    if binary:
        records = np.concatenate([coarse[:, None], fine[:, None], flat(pixels)], 1)
        for part in ("train", "test"):
            (tmp_path / f"{part}.bin").write_bytes(records.astype(np.uint8).tobytes())
        (tmp_path / "fine_label_names.txt").write_text("\n".join(names))
    else:
        for part in ("train", "test"):
            batch = {b"data": flat(pixels), b"fine_labels": fine.tolist()}
            dump(tmp_path / part, batch | {b"coarse_labels": coarse.tolist()})
        dump(tmp_path / "meta", {b"fine_label_names": [name.encode() for name in names]})
    raw = read_cifar100(tmp_path)
    assert raw.class_names[7] == "fine7"
    assert raw.test.labels.tolist() == list(range(100))
    np.testing.assert_array_equal(raw.train.images, pixels)


class Bomb:
    def __reduce__(self):
        return (print, ("boom",))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (pickle.dumps({b"data": Bomb()}, protocol=2), "refused: it asks for .*print"),
        (pickle.dumps([1]), "list.* dictionary"),
        (
            pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}),
            "lacks uint8 data",
        ),
        (
            pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}),
            "2 images .*1 labels",
        ),
        (b"\x80\x02", "data_batch_3: cannot be read"),
        *(
            (
                pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": labels}),
                "uint8 .*labels",
            )
            for labels in ([0, 2**70], [0, -1], [0, "1"], [0, 1.0], [True, False], [0, NESTED])
        ),
    ],
)
def test_broken_batches_are_named(python_version, contents, message):
    (python_version / "cifar-10-batches-py" / "data_batch_3").write_bytes(contents)
    with pytest.raises(InputError, match=f"(?s)data_batch_3.*{message}|{message}"):
        read_cifar10(python_version)


def test_a_missing_or_short_file_is_named(binary_version):
    path = binary_version / "cifar-10-batches-bin" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"data_batch_2\.bin: .*12291 bytes"):
        read_cifar10(binary_version)
    path.unlink()
    with pytest.raises(InputError, match=r"data_batch_2\.bin: .*read"):
        read_cifar10(binary_version)
    with pytest.raises(InputError, match="no data_batch_1"):
        read_cifar10(binary_version / "elsewhere")


def test_svhn_has_its_zeros_under_ten(tmp_path):
    pixels, labels = images(10, 0), np.arange(1, 11)
    for part in ("train", "test"):
        arrays = {"X": pixels.transpose(1, 2, 3, 0), "y": labels[:, None].astype(np.uint8)}
        savemat(tmp_path / f"{part}_32x32.mat", arrays)
    raw = read_svhn(tmp_path)
    assert raw.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    np.testing.assert_array_equal(raw.test.images, pixels)
    savemat(tmp_path / "test_32x32.mat", {"X": pixels})
    with pytest.raises(InputError, match=r"test_32x32\.mat: .*variable y"):
        read_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"\.mat: .*MATLAB"):
        read_svhn(tmp_path)
