import json

import pytest
from PIL import Image

from rtickets import cli
from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.config import AttackConfig, ModelConfig, ObjectiveConfig
from rtickets.costs import bench, rows, table
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


def test_files_of_many_sizes_have_no_batches_of_whole_images(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_IMAGES", 32)
    paths = bench.write_photographs(tmp_path, 32)
    with Image.open(paths[0]) as image:
        image.crop((0, 0, 400, 300)).save(paths[0])
    rates = bench.measure_input(paths, 2, parallel.local_devices(1), 1)
    assert rates.whole is None


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


@pytest.fixture
def quick(monkeypatch):
    """Parts of the table that measure nothing."""
    for name in table.PARTS:
        found = [rows.Row(name, 50.0, "images/s"), rows.Row(f"{name} time", 4.0, "s", more=False)]
        monkeypatch.setitem(table.PARTS, name, lambda _, found=found: iter(found))
    monkeypatch.setattr(bench, "write_photographs", lambda _: [])


def test_a_table_is_compared_with_a_stored_one(quick, capsys, tmp_path):
    assert cli.main(["bench", "--only=steps,draw", "--json"]) == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    assert [row["name"] for row in found["rows"]] == ["steps", "steps time", "draw", "draw time"]
    assert found["about"]["width"] == 0.125
    found["rows"][0]["value"] = 25.0
    found["rows"][1]["value"] = 1.0
    (tmp_path / "stored.json").write_text(json.dumps(found))
    assert cli.main(["bench", f"--against={tmp_path / 'stored.json'}"]) == 0
    lines = {line.split("  ")[1]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert len(lines) == 2 * len(table.PARTS)
    assert "2.00x" in lines["steps"]
    assert "0.25x" in lines["steps time"]
    assert "then" not in lines["compact"]
    found["rows"][0]["value"] = 0
    (tmp_path / "stored.json").write_text(json.dumps(found))
    words = ["bench", "--only=steps", f"--against={tmp_path / 'stored.json'}"]
    assert cli.main(words) == 0
    assert "x as fast" not in capsys.readouterr().out.splitlines()[1]
    assert cli.main([*words, "--json"]) == 0
    assert [row["then"] for row in json.loads(capsys.readouterr().out)["rows"]] == [0, 1]


def test_what_cannot_be_measured_or_compared_is_refused(quick, capsys, tmp_path):
    stored = tmp_path / "stored.json"
    cli.main(["bench", "--only=draw", "--json"])
    stored.write_text(capsys.readouterr().out)
    for words, named in (
        (["--arch=resnet19"], ["arch='resnet19'"]),
        (["--only=draw,stepps"], ["'stepps'", "checkpoints"]),
        ([f"--against={stored}", "--batch-size=32"], ["batch_size=64", "32"]),
        ([f"--against={stored}", "--seconds=9"], ["seconds=2", "9"]),
        ([f"--against={stored}", f"--images={tmp_path}"], ["images=None", str(tmp_path)]),
        ([f"--against={tmp_path / 'none'}"], ["none", "--json"]),
        ([f"--against={tmp_path}"], [str(tmp_path), "--json"]),
    ):
        assert cli.main(["bench", *words]) == 2
        error = capsys.readouterr().err
        assert all(each in error for each in named), error
    good = json.loads(stored.read_text())
    nan = [{**good["rows"][0], "value": float("nan")}]
    for bad in ([], {**good, "about": 3}, {**good, "rows": {"a": 1}}, {**good, "rows": nan}):
        stored.write_text(json.dumps(bad))
        assert cli.main(["bench", f"--against={stored}"]) == 2
        assert "no table" in capsys.readouterr().err


QUICK = ("draw", "features", "heads", "checkpoints")


@pytest.mark.parametrize(
    "part", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
             for name in table.PARTS]
)  # fmt: skip
def test_every_part_is_measured(part, monkeypatch, tmp_path):
    monkeypatch.setattr(table, "_DRAWN", 1_000_000)
    monkeypatch.setattr(table, "_ATTACKED", 2)
    monkeypatch.setattr(bench, "_IMAGES", 32)
    paths = bench.write_photographs(tmp_path, 32) if part == "input" else []
    setting = rows.Setting(
        ModelConfig(width=0.0625), 16, 4, PgdSettings(num_steps=1), parallel.local_devices(1), 0.1,
        paths, 1,
    )  # fmt: skip
    found = [*table.PARTS[part](setting)]
    assert found
    assert all(0 < row.value < 1e9 for row in found)
    assert len({row.name for row in found}) == len(found)


def test_a_rate_is_by_the_clock_that_is_given():
    ticks = iter(range(100))
    rate = bench.rate_of_steps(
        ModelConfig(width=0.0625), 8, 4, ObjectiveConfig(), parallel.local_devices(1), 3.0,
        lambda: float(next(ticks)),
    )  # fmt: skip
    assert rate == 4 * 4 / 4  # two steps, and one for each of the looks at 1 and 2; over at 4
