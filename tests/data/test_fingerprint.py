import os
import shutil

import numpy as np
import pytest

from rtickets.config import DataConfig
from rtickets.data import fingerprint as module
from rtickets.data.fingerprint import fingerprint


@pytest.fixture
def images(tmp_path):
    for name in ("a/1", "a/2", "b/1"):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


def of(folder):
    return fingerprint(DataConfig(source="folder", path=str(folder)))


def rewrite(path, data):
    """Write a file anew, with a time of its own whatever the clock's resolution."""
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_places_and_times_do_not_count(images, tmp_path):
    copy = shutil.copytree(images, tmp_path / "copy")
    os.utime(copy / "a" / "1.png", (1, 1))
    assert of(copy) == of(images)


@pytest.mark.parametrize("change", ["contents", "name", "more", "fewer"])
def test_everything_that_is_read_counts(images, change):
    before = of(images)
    if change == "contents":
        rewrite(images / "a" / "1.png", b"a/9")
    elif change == "name":
        (images / "a" / "1.png").rename(images / "a" / "3.png")
    elif change == "more":
        (images / "b" / "2.png").write_bytes(b"b/2")
    else:
        (images / "b" / "1.png").unlink()
    assert of(images) != before


def test_of_a_large_set_the_ends_of_some_files_are_read(images, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE", 1)
    monkeypatch.setattr(module, "_BLOCK", 1)
    monkeypatch.setattr(module, "_SAMPLED", 3)
    before = of(images)
    rewrite(images / "a" / "1.png", b"a-1")
    assert of(images) == before
    for changed in (b"a-9", b"x-1"):
        rewrite(images / "a" / "1.png", changed)
        assert of(images) != before


def test_of_a_large_archive_every_array_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE", 1)
    monkeypatch.setattr(module, "_BLOCK", 512)
    monkeypatch.setattr(module, "_SAMPLED", 3)
    arrays = {f"x{index}": np.zeros(100_000, np.uint8) for index in range(4)}
    digests = set()
    for value in range(3):
        arrays["x1"][20_000] = value
        path = tmp_path / f"{value}.npz"
        np.savez(path, **arrays)
        digests.add(fingerprint(DataConfig(source="npz", path=str(path))))
    assert len(digests) == 3


@pytest.mark.parametrize("size", [0, 1, 4, 5, 9, 10_000])
def test_blocks_are_spread_from_the_beginning_to_the_end(size, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 4)
    starts = module._starts(size, 5)
    assert starts[0] == 0
    assert starts[-1] + 4 >= size
    assert len(starts) <= 5
    assert max(np.diff(starts), default=0) <= size // 4 + 1


def test_one_file_may_be_called_anything(tmp_path):
    for name in ("one.npz", "two.npz"):
        np.savez(tmp_path / name, x_train=np.zeros((2, 4, 4), np.uint8), y_train=np.arange(2))
    one, two = (
        fingerprint(DataConfig(source="npz", path=str(tmp_path / name)))
        for name in ("one.npz", "two.npz")
    )
    assert one == two


def test_what_is_not_there_is_missing_and_what_comes_with_a_package_needs_nothing(tmp_path):
    assert of(tmp_path / "nowhere") == "missing"
    assert fingerprint(DataConfig(source="cifar10", path=str(tmp_path))) == "missing"
    assert fingerprint(DataConfig(source="fashion_mini")) is None


def test_every_source_that_reads_a_path_says_which_files():
    from rtickets.data import SOURCES, get_source

    for name, source in SOURCES.items():
        reads_files = source.needs.startswith("data.path") or source.needs.startswith(
            "rtickets data"
        )
        assert (source.files is not None) == reads_files, name
    for name in ("tfds:cifar10:3.0.2", "vtab:dmlab"):
        files = get_source(name).files
        assert files is not None
        assert files(DataConfig(source=name, path="/data")).as_posix() in (
            "/data/cifar10", "/data/dmlab",
        )  # fmt: skip


def test_folders_behind_links_count_and_circles_end(images, tmp_path):
    """Classes are often links to folders; what is read through them is what identifies the set."""
    shutil.move(images / "b", tmp_path / "elsewhere")
    (images / "b").symlink_to(tmp_path / "elsewhere")
    (images / "a" / "up").symlink_to(images)
    before = of(images)
    rewrite(tmp_path / "elsewhere" / "1.png", b"other")
    assert of(images) != before
