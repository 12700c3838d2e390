"""Pixel statistics in [0, 1], in [0, 255], of other orders and lengths, and none at all."""

import json

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers import Options, Reference, import_checkpoint, parity, read_reference
from rtickets.importers.pixels import given, stated

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BYTES = tuple(255 * v for v in MEAN), tuple(255 * v for v in STD)
WIDTH = 1 / 64


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=WIDTH, stem="small")


@pytest.mark.parametrize("scale", [1, 255])
def test_statistics_of_a_file_are_brought_to_images_in_0_to_1_with_a_word(scale):
    mean, std = (tuple(scale * v for v in part) for part in (MEAN, STD))
    found = stated(mean, std, "the file", 3)
    assert found.mean == pytest.approx(MEAN)
    assert found.std == pytest.approx(STD)
    assert ("[0, 255]" in found.origin) == (scale == 255)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ((0.0,), (255.0,), ((0.0,) * 3, (1.0,) * 3)),  # a division of bytes alone
        ((127.5,), (127.5,), ((0.5,) * 3, (0.5,) * 3)),
        ((123, 117, 104), (1, 1, 1), ((123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3)),
        ((0.0,), (1.0,), ((0.0,) * 3, (1.0,) * 3)),
    ],
)
def test_scales_without_shifts_and_shifts_without_scales(mean, std, expected):
    found = stated(mean, std, "the file", 3)
    assert (found.mean, found.std) == tuple(pytest.approx(part) for part in expected)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (MEAN, (0.2, 0.0, 0.2), "positive standard deviations"),
        (MEAN, (0.2, -0.1, 0.2), "positive standard deviations"),
        (MEAN, (0.2, float("nan"), 0.2), "finite numbers"),
        (MEAN[:2], STD[:2], "takes 3 channels"),
        ((-0.5,) * 3, STD, "a mean lies outside"),
        (MEAN, tuple(v / 255 for v in STD), "divided by 255 twice"),
        (MEAN[::-1], STD[::-1], "with blue first"),
        ((103.5, 116.3, 123.7), (57.4, 57.1, 58.4), "with blue first"),
    ],
)
def test_statistics_of_a_file_that_are_none_are_refused(mean, std, message):
    with pytest.raises(InputError, match=message):
        stated(mean, std, "the file", 3)


def test_blue_first_is_turned_round_and_red_first_is_refused_then():
    assert stated(MEAN[::-1], STD[::-1], "the file", 3, bgr=True).mean == pytest.approx(MEAN)
    with pytest.raises(InputError, match="with blue first"):
        stated(MEAN, STD, "the file", 3, bgr=True)


def test_options_are_never_converted():
    with pytest.raises(InputError, match=r"--mean, --std: .*divide .*255"):
        given(*BYTES, 3, "--mean, --std")


def logits(imported):
    return np.array(imported.report["fixed_logits"])


def test_a_file_for_bytes_computes_what_the_same_one_for_images_in_0_to_1_does(torch_file, state):
    """What mmcls and detectron write: the statistics of bytes beside the network."""
    names = ("data_preprocessor.mean", "data_preprocessor.std")
    files = []
    for scale in (1, 255):
        own = {
            name: np.float32(scale) * np.array(part, np.float32).reshape(3, 1, 1)
            for name, part in zip(names, (MEAN, STD), strict=True)
        }
        prefixed = {f"backbone.{name}": tensor for name, tensor in state.items()}
        files.append(import_checkpoint(torch_file({**prefixed, **own}), "resnet18"))
    np.testing.assert_allclose(logits(files[0]), logits(files[1]), rtol=1e-5)
    spread = np.ptp(logits(files[1]), axis=0)
    assert spread.max() > 1e-3  # images are told apart
    assert "[0, 255]" in files[1].report["normalization"]["from"]


def test_options_in_bytes_stop_the_import(torch_file, state):
    with pytest.raises(InputError, match=r"divide .*by 255"):
        import_checkpoint(torch_file(state), "resnet18", Options(statistics=BYTES))


def test_images_of_a_reference_lie_in_0_to_1(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    np.savez(tmp_path / "r.npz", images=images, logits=np.zeros((2, 5)))
    with pytest.raises(InputError, match=r"images .*\[0, 1\]"):
        read_reference(tmp_path / "r.npz")
    np.savez(tmp_path / "r.npz", images=images / 255, logits=np.zeros((2, 5)))
    assert isinstance(read_reference(tmp_path / "r.npz"), Reference)


def test_statistics_and_size_of_a_config_beside_the_file_are_taken(torch_file, state):
    file = torch_file(state)
    images = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "input_size": [3, 40, 40]}
    said = {"architecture": "resnet18", "pretrained_cfg": {**images, "label_names": list("abcde")}}
    (file.parent / "config.json").write_text(json.dumps(said))
    ticket, report = import_checkpoint(file, "resnet18")
    assert ticket.meta["mean"] == [0.5, 0.4, 0.3]
    assert report["normalization"]["from"] == "config.json"
    assert ticket.meta["image_shape"] == [40, 40, 3]
    assert ticket.meta["class_names"] == list("abcde")
    assert report["said_by"] == "architecture=resnet18 in its config.json"
    assert report["alike"] == []
    assert parity.fixed_images((40, 40, 3)).shape == (2, 40, 40, 3)
