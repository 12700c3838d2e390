"""Sets that are loaded after they were prepared, and records that are none."""

import dataclasses
import json

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.prepare import public_sets as preparing
from rtickets.data.prepare.public_sets import prepare
from rtickets.data.sources.prepared_sets import folder_of
from rtickets.data.sources.public import PUBLIC_SETS
from rtickets.errors import InputError
from rtickets.tasks import task_of
from tests.data.prepare.public_sets.conftest import load, quiet


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
