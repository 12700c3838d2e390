"""Data in a bucket are those of the disk: same examples, same identity, whatever their kind."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtickets import cli, data
from rtickets.config import DataConfig, PretrainConfig, TextConfig
from rtickets.data.fingerprint import MISSING, fingerprint
from rtickets.data.text.tokenizers import vocabulary_of
from rtickets.errors import InputError
from rtickets.runs.folders import folder_of
from rtickets.settings import config_files
from rtickets.storage import addresses, fetched
from rtickets.storage.objects import Objects, StorageError
from rtickets.tasks import Detection, Segmentation
from tests import bucket as buckets

pytest.importorskip("obstore")
pytest.importorskip("moto")
TESTS = Path(__file__).parents[1]
TOP = f"s3://{buckets.BUCKET}/sets"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def server():
    with buckets.serving() as bucket:
        yield bucket


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with buckets.emptied(server, TOP):
        yield server
    fetched.forget()


def there():
    return Objects(addresses.connect(addresses.read_address(TOP)), TOP)


def upload(path, name):
    """Put a file or a folder into the bucket, and return its address."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            inner = "" if file == path else f"/{file.relative_to(path).as_posix()}"
            there().put(f"{name}{inner}", file.read_bytes())
    return f"{TOP}/{name}"


def picture(path, size=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*size, 3)).astype(np.uint8)).save(path)


def npz(path):
    images = RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    np.savez(path / "set.npz", x_train=images, y_train=np.arange(40) % 4)
    return path / "set.npz", {"source": "npz"}


def folder(path):
    for number in range(24):
        picture(path / "set" / "ab"[number % 2] / f"{number}.png")
    return path / "set", {"source": "folder", "image_size": 8}


def streamed(path):
    place, fields = folder(path)
    return place, {**fields, "stream": True, "workers": 1}


def cityscapes(path):
    write = runpy.run_path(str(TESTS / "data" / "sources" / "test_scene_masks.py"))["cityscapes"]
    task = Segmentation(output_stride=8, channels=8)
    own = {"source": "cityscapes", "image_size": 16, "task": task, "validation_fraction": 0.2}
    return write(path / "set"), {**own, "workers": 1}


def coco(path):
    kinds = [{"id": 0, "name": "thing"}]
    for part, count in (("train2017", 8), ("val2017", 2)):
        names = [f"{number}.png" for number in range(count)]
        images = [{"id": n, "file_name": one, "height": 40, "width": 30}
                  for n, one in enumerate(names)]  # fmt: skip
        boxes = [{"image_id": n, "category_id": 0, "bbox": [2, 3, 9, 9]} for n in range(count)]
        about = {"images": images, "annotations": boxes, "categories": kinds}
        for one in names:
            picture(path / "set" / part / one, (40, 30))
        (path / "set" / "annotations").mkdir(exist_ok=True)
        (path / "set" / "annotations" / f"instances_{part}.json").write_text(json.dumps(about))
    own = {"source": "coco2017", "image_size": 32, "task": Detection(), "workers": 1}
    return path / "set", {**own, "validation_fraction": 0.25}


def table(path):
    (path / "set").mkdir()
    rows = [f"{'the cat' if n % 2 else 'a dog'} sat {n % 7},{n % 2}" for n in range(40)]
    (path / "set" / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return path / "set", {"source": "table"}


def lines(path):
    (path / "set.txt").write_text("".join(f"the cat {n % 9} sat\n" for n in range(60)))
    return path / "set.txt", {"source": "lines"}


KINDS = (npz, folder, streamed, cityscapes, coco, table, lines)


def arrays(dataset):
    return [
        {name: np.asarray(each) for name, each in split.arrays.items()} for split in dataset[:3]
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_set_in_a_bucket_is_that_of_the_disk(kind, bucket, tmp_path):
    path, fields = kind(tmp_path)
    here = DataConfig(path=str(path), **fields)
    address = upload(path, path.name)
    away = DataConfig(path=address, **fields)
    assert away.path == address  # the ticket remembers where they lie for everybody
    ours, theirs = data.load(here), data.load(away)
    for one, other in zip(arrays(ours), arrays(theirs), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert ours[3:] == theirs[3:]
    assert fingerprint(away) == fingerprint(here)
    runs = [folder_of(tmp_path, "pretrain", "x", PretrainConfig(data=c)) for c in (here, away)]
    assert runs[0].path == runs[1].path


def test_of_the_sets_of_tensorflow_datasets_one_is_fetched(bucket, tmp_path):
    pytest.importorskip("tensorflow_datasets")
    write = runpy.run_path(str(TESTS / "data" / "sources" / "test_tfds.py"))["write"]
    write(tmp_path / "tfds", {"train": 20, "test": 4})
    (tmp_path / "tfds" / "large_set").mkdir()
    (tmp_path / "tfds" / "large_set" / "x").write_bytes(b"x")
    upload(tmp_path / "tfds", "tfds")
    here, away = (
        DataConfig(source="tfds:tiny_set", path=place, workers=1, validation_fraction=0.2)
        for place in (str(tmp_path / "tfds"), f"{TOP}/tfds")
    )
    before = fingerprint(here)
    assert fingerprint(away) == before
    for one, other in zip(arrays(data.load(here)), arrays(data.load(away)), strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])
    assert fingerprint(away) == before  # labels that are kept beside the data are not the data
    assert fingerprint(here) == before
    gets = [path for method, path in bucket.requests if method == "GET"]
    assert not [path for path in gets if path.endswith("large_set/x")]


def test_a_tokenizer_is_fetched_too(bucket, tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    address = upload(tmp_path / "vocab.txt", "vocab.txt")
    here, away = (TextConfig(tokenizer=str(each)) for each in (tmp_path / "vocab.txt", address))
    assert away.tokenizer == address
    assert vocabulary_of(away) == vocabulary_of(here)
    path, fields = lines(tmp_path)
    one, other = (DataConfig(path=str(path), text=each, **fields) for each in (here, away))
    assert fingerprint(one) == fingerprint(other)
    gone = DataConfig(path=str(path), text=TextConfig(tokenizer=f"{address}x"), **fields)
    assert fingerprint(gone) == MISSING


def test_what_is_missing_is_one_line_and_identifies_as_on_the_disk(bucket, tmp_path, capsys):
    config = DataConfig(source="folder", path=f"{TOP}/nowhere")
    assert fingerprint(config) == MISSING
    with pytest.raises(InputError, match=config.path):
        data.load(config)
    with pytest.raises(StorageError, match="no such bucket"):
        fingerprint(DataConfig(source="folder", path="s3://no-such-bucket/x"))
    with pytest.raises(InputError, match="comes with a package"):
        data.load(DataConfig(source="digits", path=f"{TOP}/x"))
    for place in ("http://example.org/x", "s3://b/../x", "S3:/x"):
        if "://" in place:
            with pytest.raises(InputError, match="s3://BUCKET"):
                config_files.parse(DataConfig, {"source": "folder", "path": place})
        else:
            assert DataConfig(source="folder", path=place).path == str(Path(place).absolute())
    words = ["data", "info", "--config.source=folder", f"--config.path={TOP}/nowhere"]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{TOP}/nowhere" in line


def test_the_command_describes_a_set_and_counts_its_words(bucket, tmp_path, capsys):
    path, _ = folder(tmp_path)
    (path / "a" / "notes.txt").write_text("no image")
    address = upload(path, "set")
    assert cli.main(["data", "info", "--config.source=folder", f"--config.path={address}"]) == 0
    told = capsys.readouterr()
    assert "classes        2: a, b" in told.out
    assert "25 of 25 files" in told.err
    text, _ = lines(tmp_path)
    words = ["vocabulary", upload(text, "set.txt"), "--size=40", f"--out={tmp_path / 'v.txt'}"]
    assert cli.main(words) == 0
    assert "cat" in (tmp_path / "v.txt").read_text().split()
