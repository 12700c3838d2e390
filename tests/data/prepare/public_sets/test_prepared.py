"""Sets that are prepared: packed, verified, gone on with, from damaged originals."""

import dataclasses
import hashlib
import json
import tarfile

import numpy as np
import pytest

from rtickets.data.images.streamed import StreamedImages
from rtickets.data.prepare import public_sets as preparing
from rtickets.data.prepare.public_sets import prepare
from rtickets.data.sources.public import Download
from rtickets.errors import InputError
from tests.data.prepare.public_sets.conftest import load, quiet


def test_photographs_are_packed_as_they_are(pets, tmp_path):
    public, root = pets
    record = prepare(public, tmp_path / "out", root, quiet)
    raw = load(public, tmp_path / "out")
    assert raw.class_names == ("Bengal", "yorkshire_terrier")
    assert (len(raw.train), len(raw.test)) == (12, 4)
    assert isinstance(raw.train.images, StreamedImages)
    original = (root / "images" / "Bengal_3.jpg").read_bytes()
    assert raw.train.images.files.read(3) == original
    assert raw.train.labels.tolist() == [0] * 6 + [1] * 6
    pixels = np.asarray(raw.train.images)
    assert pixels.shape == (12, 8, 8, 3)
    np.testing.assert_allclose(pixels[:6].mean((1, 2, 3)), 100 - 10 * np.arange(6), atol=2)
    np.testing.assert_allclose(raw.mean, pixels.mean((0, 1, 2)) / 255, atol=0.02)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "labels_test.npy", "labels_train.npy", "prepared.json",
        "test-00000-of-00001.array_record", "train-00000-of-00001.array_record",
    ]  # fmt: skip
    assert set(record["files"]) == {path.name for path in (tmp_path / "out").iterdir()} - {
        "prepared.json"
    }


def test_a_prepared_set_is_verified_instead_of_made_again(pets, tmp_path):
    public, root = pets
    out = tmp_path / "out"
    record = prepare(public, out, root, quiet)
    said = []
    assert prepare(public, out, None, said.append) == json.loads(
        (out / "prepared.json").read_text()
    )
    assert said == [f"oxford_iiit_pet: prepared and unchanged in {out}"]
    (path,) = out.glob("test-*.array_record")
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)
    with pytest.raises(InputError, match=r"test-00000.*changed"):
        prepare(public, out, None, quiet)
    path.write_bytes(contents[:-1])
    with pytest.raises(InputError, match=rf"has {len(contents) - 1} bytes, {len(contents)} were"):
        load(public, out)
    assert record["sources"] == {}


def test_an_interrupted_preparation_keeps_the_files_it_has_written(pets, tmp_path, monkeypatch):
    public, root = pets
    monkeypatch.setattr(preparing, "_PER_FILE", 5)
    broken = root / "images" / "yorkshire_terrier_5.jpg"
    good = broken.read_bytes()
    broken.write_bytes(b"not an image")
    out, said = tmp_path / "out", []
    with pytest.raises(InputError, match=r"yorkshire_terrier_5\.jpg: .*image"):
        prepare(public, out, root, said.append)
    assert said == [f"train-0000{i}-of-00003.array_record: 5 images" for i in range(2)]
    with pytest.raises(InputError, match="in part; run: rtickets data prepare"):
        load(public, out)
    kept = [path.stat().st_mtime_ns for path in sorted(out.glob("train-*.array_record"))]
    broken.write_bytes(good)
    said.clear()
    prepare(public, out, root, said.append)
    assert said[0] == "train-00002-of-00003.array_record: 2 images"
    again = [path.stat().st_mtime_ns for path in sorted(out.glob("train-*.array_record"))]
    assert again[:2] == kept
    assert load(public, out).train.images.files.read(11) == good


def test_other_originals_do_not_continue_a_preparation(pets, tmp_path):
    public, root = pets
    out = tmp_path / "out"
    out.mkdir()
    stale = {"of": "another listing", "files": {"train-00000-of-00001.array_record": {"bytes": 1}}}
    (out / "progress.json").write_text(json.dumps(stale))
    (out / "train-00000-of-00001.array_record").write_bytes(b"x")
    prepare(public, out, root, quiet)
    assert len(load(public, out).train) == 12


def test_archives_of_a_manual_folder_are_checked_and_unpacked(pets, tmp_path):
    public, root = pets
    packed = tmp_path / "packed"
    packed.mkdir()
    downloads = []
    for name in ("images", "annotations"):
        with tarfile.open(packed / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(root / name, name)
        md5 = hashlib.md5((packed / f"{name}.tar.gz").read_bytes()).hexdigest()
        downloads.append(Download(f"{name}.tar.gz", None, md5 if name == "images" else None))
    public = dataclasses.replace(public, downloads=tuple(downloads))
    record = prepare(public, tmp_path / "out", packed, quiet)
    assert len(load(public, tmp_path / "out").train) == 12
    assert record["sources"]["images.tar.gz"]["md5"] == downloads[0].md5
    assert len(record["sources"]["annotations.tar.gz"]["md5"]) == 32
    assert not (tmp_path / "out" / "unpacked").exists()
    wrong = dataclasses.replace(public, downloads=(downloads[1], downloads[0]._replace(md5="00")))
    with pytest.raises(InputError, match=r"images\.tar\.gz: .*MD5 .* 00"):
        prepare(wrong, tmp_path / "other", packed, quiet)
    (packed / "annotations.tar.gz").unlink()
    with pytest.raises(InputError, match=r"images\.tar\.gz.* no annotations\.tar\.gz"):
        prepare(public, tmp_path / "other", packed, quiet)
    with pytest.raises(InputError, match=r"downloaded .* --manual"):
        prepare(public, tmp_path / "other", None, quiet)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (b"junk", "labels_test.npy: cannot be read"),
        (np.zeros(4), r"float64 .*\(4,\); .*4 images"),
        (np.zeros(3, np.int32), r"int32 .*\(3,\); .*4 images"),
        (np.arange(4, dtype=np.int32), r"labels .*\[0, 3\]; .*\[0, 2\)"),
        (-np.ones(4, np.int32), r"labels .*\[-1, -1\]; .*\[0, 2\)"),
    ],
)
def test_labels_that_are_damaged_are_named(pets, tmp_path, labels, message):
    public, root = pets
    out = tmp_path / "out"
    prepare(public, out, root, quiet)
    if isinstance(labels, bytes):
        (out / "labels_test.npy").write_bytes(labels)
    else:
        np.save(out / "labels_test.npy", labels)
    record = json.loads((out / "prepared.json").read_text())
    record["files"]["labels_test.npy"]["bytes"] = (out / "labels_test.npy").stat().st_size
    (out / "prepared.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        load(public, out)


@pytest.mark.parametrize("contents", ["", "{", "[]", '{"files": 3}'])
def test_a_damaged_record_of_progress_starts_anew(pets, tmp_path, contents):
    public, root = pets
    out = tmp_path / "out"
    out.mkdir()
    (out / "progress.json").write_text(contents)
    prepare(public, out, root, quiet)
    assert len(load(public, out).train) == 12


def test_missing_images_are_counted(pets, tmp_path):
    public, root = pets
    full = dataclasses.replace(public, classes=37, train=3680, test=3669)
    with pytest.raises(InputError, match="2 classes, 12 training and 4 test"):
        prepare(full, tmp_path / "out", root, quiet)
