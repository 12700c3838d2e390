import json

import pytest
from PIL import Image

from rtickets import cli
from rtickets.config import AttackConfig, ModelConfig
from rtickets.costs import bench
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View
from rtickets.errors import InputError
from rtickets.platform import parallel


def test_photographs_have_the_size_of_imagenet_s(tmp_path):
    paths = bench.write_photographs(tmp_path, 2)
    with Image.open(paths[0]) as image:
        assert image.size == (500, 375)
    assert 50_000 < paths[0].stat().st_size < 150_000
    assert paths[0].read_bytes() != paths[1].read_bytes()


def test_our_batches_come_nearly_as_fast_as_plain_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_IMAGES", 64)
    paths = bench.write_photographs(tmp_path, 32)
    rates = bench.measure_input(paths, 2, parallel.local_devices(1), 2)
    assert 0.1 < rates.streamed / rates.decode_and_cut < 10  # machines that test are busy
    assert rates.decode > 0.2 * rates.decode_and_cut
    assert rates.whole is not None
    assert 0.1 < rates.whole / rates.decode < 10
    assert "our batches of 224 pixels" in "\n".join(bench.as_lines(rates, 2))


def test_files_of_many_sizes_have_no_batches_of_whole_images(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_IMAGES", 32)
    paths = bench.write_photographs(tmp_path, 32)
    with Image.open(paths[0]) as image:
        image.crop((0, 0, 400, 300)).save(paths[0])
    rates = bench.measure_input(paths, 2, parallel.local_devices(1), 1)
    assert rates.whole is None
    assert "whole" not in "\n".join(bench.as_lines(rates, 2))


def test_every_file_is_cut_to_a_box_of_its_own(tmp_path):
    path = bench.write_photographs(tmp_path, 1)[0]
    images = streamed(ImageFiles((path, path)), View((8, 8), random_crop=(0.08, 1.0)), 1)
    first, second = (bench._cut(images, position) for position in range(2))
    assert (first != second).any()
    assert bench._decode(images.files, 1).shape == (375, 500, 3)


def test_too_few_files_are_refused(tmp_path):
    bench.write_photographs(tmp_path, 2)
    with pytest.raises(InputError, match=r"2 JPEG.* 32"):
        bench.find_photographs(tmp_path)


def test_an_attack_slows_a_step_down():
    rates = bench.measure_steps(
        ModelConfig(width=0.0625), 16, 8, AttackConfig(num_steps=4), parallel.local_devices(1), 0.2
    )
    assert rates.natural > 1.2 * rates.pgd > 0


def test_the_command_prints_both(monkeypatch, capsys):
    read = bench.InputRates(100.0, 95.0, 80.0, 60.0)
    monkeypatch.setattr(bench, "measure_input", lambda *_: read)
    monkeypatch.setattr(bench, "measure_steps", lambda *_: bench.StepRates(50.0, 20.0))
    monkeypatch.setattr(bench, "write_photographs", lambda _: [])
    assert cli.main(["bench", "--num-steps=7"]) == 0
    out = capsys.readouterr().out
    assert "0.95 of it" in out
    assert "0.75 of it" in out
    assert "PGD-7" in out
    assert cli.main(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == {"natural": 50.0, "pgd": 20.0}
    assert cli.main(["bench", "--arch=resnet19"]) == 2
    assert "arch='resnet19'" in capsys.readouterr().err
