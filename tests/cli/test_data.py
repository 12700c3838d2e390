"""The verb data and the option --dry-run, as a user meets them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from rtickets import cli, masks
from rtickets.config import DataConfig, ModelConfig
from rtickets.costs import network_costs
from rtickets.data.sources.public import PUBLIC_SETS
from rtickets.draw import Ticket
from rtickets.settings.config_files import to_dict


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    """Twenty digits in the authors' format, and a description that expects them."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(20)[:, None] % 10 + 1
    for part in ("train", "test"):
        savemat(tmp_path / f"{part}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": labels})
    downloads = tuple(one._replace(md5=None) for one in PUBLIC_SETS["svhn_cropped"].downloads)
    public = dataclasses.replace(
        PUBLIC_SETS["svhn_cropped"], train=20, test=20, downloads=downloads
    )
    monkeypatch.setitem(PUBLIC_SETS, "svhn_cropped", public)
    monkeypatch.setenv("RTICKETS_DATA", str(tmp_path / "data"))
    return tmp_path


def test_a_set_is_prepared_described_and_verified(svhn, capsys):
    words = ["data", "info", "--config.source=svhn_cropped", "--config.validation_fraction=0.5"]
    assert cli.main(words) == 2
    assert "holds no prepared data set; run: rtickets data prepare" in capsys.readouterr().err
    assert cli.main(["data", "prepare", "svhn_cropped", f"--manual={svhn}"]) == 0
    out = capsys.readouterr().out
    assert f"svhn_cropped: 20 training and 20 test images in {svhn / 'data'}" in out
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "images (32, 32, 3), uint8\n" in out
    assert "metric         accuracy" in out
    assert cli.main(["data", "prepare", "svhn_cropped"]) == 0
    assert "prepared and unchanged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "imagenot"), "'imagenot'"),
        (("prepare", "cars196"), "cars_train.tgz, cars_test.tgz"),
        (("prepare", "dtd", "--manual=nowhere"), "--manual=nowhere: is not a folder"),
        (("prepare", "voc2012", "--manual=nowhere"), "has no ImageSets/Segmentation/train.txt"),
        (("info", "--config.source=voc2012"), "run: rtickets data prepare voc2012"),
        (("list", "--config.source=digits"), "data list takes no configuration"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("RTICKETS_DATA", str(tmp_path))
    assert cli.main(["data", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_segmentation_is_described(tmp_path, capsys, save_image):
    lists = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, names in (("train", "abc"), ("val", "de")):
        (lists / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            save_image(lists.parents[1] / "JPEGImages" / f"{name}.jpg")
            mask = lists.parents[1] / "SegmentationClass" / f"{name}.png"
            mask.parent.mkdir(exist_ok=True)
            with Image.open(lists.parents[1] / "JPEGImages" / f"{name}.jpg") as image:
                Image.new("L", image.size, 15).save(mask)
    words = ["data", "info", "--config.source=voc2012", f"--config.path={tmp_path}"]
    words += ["--config.task.name=segmentation", "--config.validation_fraction=0.4"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "images (500, 500, 3), uint8, encoded on disk" in out
    assert "train          2 images\nvalidation     1 images\ntest           2 images" in out
    assert "classes        20: aeroplane" in out


def test_all_sets_are_listed(capsys):
    assert cli.main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name in PUBLIC_SETS:
        assert f"\n{name} " in out
    assert "\nvoc2012            Pascal VOC 2012, a class for every pixel" in out
    assert "kitti_distance" in out


def test_a_dry_run_takes_the_network_of_the_ticket(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)
    meta = {
        "model": to_dict(ModelConfig(width=0.0625)),
        "class_names": list("abc"),
        "image_shape": [8, 8, 1],
        "mean": [0.5],
        "std": [0.5],
        "task": to_dict(DataConfig(source="digits")),
        "seed": 0,
    }
    ticket = Ticket(masks.full(tiny.params), tiny.params, tiny.batch_stats, meta)
    ticket.save(tmp_path / "ticket")
    words = [f"--config.ticket={tmp_path / 'ticket'}", "--dry-run", "--devices=1"]
    assert cli.main(["evaluate", *words]) == 0
    out = capsys.readouterr().out
    assert "evaluate, digits" in out
    assert "resnet18, 0.04 M weights" in out
    assert "images of 8x8x1, 10 classes" in out
