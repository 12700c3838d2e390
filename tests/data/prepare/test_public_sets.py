"""Preparing sets from their original files, and loading what was prepared."""

import dataclasses
import hashlib
import json
import tarfile

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.images.streamed import StreamedImages
from rtickets.data.images.views import View
from rtickets.data.prepare import public_sets as preparing
from rtickets.data.prepare.public_sets import prepare
from rtickets.data.sources.prepared_sets import folder_of, load_prepared
from rtickets.data.sources.public import PUBLIC_SETS, Download
from rtickets.errors import InputError
from rtickets.tasks import task_of

VIEW = View((8, 8), 9)


def quiet(text):
    pass


@pytest.fixture
def pets(tmp_path, save_image):
    """Two breeds with 12 training and 4 test images, unpacked, and our description of them."""
    root = tmp_path / "originals"
    for part, numbers in (("trainval", range(6)), ("test", range(6, 8))):
        rows = []
        for label, breed in enumerate(("Bengal", "yorkshire_terrier"), 1):
            rows += [f"{breed}_{number} {label} 1 1" for number in numbers]
        for row in rows:
            name, label = row.split()[:2]
            value = 100 * int(label) - 10 * int(name.rsplit("_", 1)[1])
            save_image(root / "images" / f"{name}.jpg", value, (14, 11))
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"{part}.txt").write_text("\n".join(rows))
    public = dataclasses.replace(PUBLIC_SETS["oxford_iiit_pet"], classes=2, train=12, test=4)
    return public, root


def load(public, folder, **options):
    return load_prepared(public, DataConfig(source=public.name, path=str(folder), **options), VIEW)


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


def test_small_images_become_arrays(tmp_path):
    from scipy.io import savemat

    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    for part in ("train", "test"):
        labels = np.arange(20)[:, None] % 10 + 1
        arrays = {"X": pixels.transpose(1, 2, 3, 0), "y": labels}
        savemat(tmp_path / f"{part}_32x32.mat", arrays)
    public = dataclasses.replace(PUBLIC_SETS["svhn_cropped"], train=20, test=20, downloads=())
    record = prepare(public, tmp_path / "out", tmp_path, quiet)
    raw = load(public, tmp_path / "out")
    np.testing.assert_array_equal(raw.test.images, pixels)
    assert raw.class_names == tuple("0123456789")
    assert raw.mean == tuple(record["mean"])
    np.testing.assert_allclose(raw.std, pixels.std((0, 1, 2)) / 255, atol=1e-4)


@pytest.mark.parametrize("stream", [None, False])
def test_a_task_is_loaded_with_its_metric(pets, tmp_path, monkeypatch, stream):
    public, root = pets
    monkeypatch.setenv("RTICKETS_DATA", str(tmp_path))
    prepare(public, folder_of(public.name), root, quiet)
    config = DataConfig(source=public.name, image_size=8, validation_fraction=0.25, stream=stream)
    task = data.load(config)
    assert (len(task.train), len(task.validation), len(task.test)) == (8, 4, 4)
    assert task_of(config).headline.name == "balanced"
    assert task.train.images.shape == (8, 8, 8, 3)
    assert isinstance(task.train.images, np.ndarray) == (stream is False)
    few = data.load(dataclasses.replace(config, train_examples=4)).train
    assert np.bincount(few.labels).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "run: rtickets data prepare cifar10 --data-dir="),
        ("{", "prepared.json: cannot be read"),
        (
            '{"name": "dtd", "format": 1, "files": {}}',
            "'dtd' .* 'cifar10'",
        ),
        ('{"name": "cifar10", "format": 9, "files": {}}', "format 9; .* 1"),
    ],
)
def test_what_is_not_prepared_is_refused(tmp_path, contents, message):
    if contents is not None:
        (tmp_path / "prepared.json").write_text(contents)
    with pytest.raises(InputError, match=message):
        load(PUBLIC_SETS["cifar10"], tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("mean"), "mean: Field required"),
        (lambda record: record.update(files=[]), "files"),
        (lambda record: record.update(std=["a", 1, 2]), "std"),
        (lambda record: record.pop("splits"), "neither arrays.npz nor splits"),
        (lambda record: record["splits"].pop("test"), r"splits\.test: Field required"),
        (lambda record: record["files"].update({"../x": {"bytes": 1, "sha256": ""}}), "files"),
        (lambda record: record["splits"]["test"].update(files=["/etc/passwd"]), "pattern"),
        (lambda record: record.update(class_names=[["a"]]), "class_names"),
    ],
)
def test_a_record_of_another_kind_is_one_line(pets, tmp_path, change, message):
    public, root = pets
    out = tmp_path / "out"
    prepare(public, out, root, quiet)
    record = json.loads((out / "prepared.json").read_text())
    change(record)
    (out / "prepared.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=rf"prepared\.json: .*{message}"):
        load(public, out)


@pytest.mark.parametrize("contents", ["[" * 10**5, '{"name": ' + "9" * 5000 + "}", "[]", "\xff"])
def test_a_record_that_no_parser_finishes_is_one_line(tmp_path, contents):
    (tmp_path / "prepared.json").write_text(contents, "latin-1")
    with pytest.raises(InputError, match=r"prepared\.json: .*read"):
        load(PUBLIC_SETS["cifar10"], tmp_path)


@pytest.mark.parametrize("words", ["two", "1e9", "²", "-1", "9" * 5000])
def test_numbers_that_are_none_are_one_line(pets, tmp_path, words):
    public, root = pets
    path = root / "annotations" / "test.txt"
    path.write_text(f"Bengal_6 {words} 1 1\n", "utf-8")
    with pytest.raises(InputError, match=r"annotations|as oxford_iiit_pet"):
        prepare(public, tmp_path / "out", root, quiet)


@pytest.mark.parametrize("interrupted", [False, True])
def test_copies_across_the_splits_are_noted_once_and_for_all(
    pets, tmp_path, monkeypatch, interrupted
):
    public, root = pets
    monkeypatch.setattr(preparing, "_PER_FILE", 5)
    for copy, of in (("Bengal_6", "Bengal_2"), ("yorkshire_terrier_7", "Bengal_3")):
        (root / "images" / f"{copy}.jpg").write_bytes((root / "images" / f"{of}.jpg").read_bytes())
    out, said = tmp_path / "out", []
    last = root / "images" / "yorkshire_terrier_5.jpg"
    good = last.read_bytes()
    if interrupted:
        last.write_bytes(b"not an image")
        with pytest.raises(InputError, match="terrier_5"):
            prepare(public, out, root, quiet)
        last.write_bytes(good)
    prepare(public, out, root, said.append)
    note = "2 of 4 test images are exact copies of training images, 1 of them with another label"
    assert note in said
    assert load(public, out).notes == (note,)
