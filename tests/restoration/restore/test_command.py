"""The command: files, folders, masks that are reused, bad input."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import rtickets
from rtickets.cli import main
from rtickets.errors import InputError
from tests.restoration.restore.conftest import QUICK

WORDS = [
    "--config.generator.channels=(4, 6)", "--config.generator.depth=3", "--config.mask.steps=2",
    "--config.mask_side=16", "--config.training.steps=6", "--config.training.every=3",
    "--config.sparsity=0.5",
]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "fields", "named"),
    [
        (np.full((20, 20, 3), 200.0), {}, "200.*255"),
        (np.zeros((20, 20, 2)), {}, r"\(20, 20, 2\)"),
        (np.full((20, 20), np.nan), {"sigma": 0.1}, "finite"),
        (np.zeros((20, 20)), {"sigma": 25.0}, "sigma=25.0.*255"),
        (np.zeros((20, 20)), {"sigma": 0.1, "seen": np.ones((3, 3))}, r"\(3, 3\)"),
        (np.zeros((20, 20)), {"sigma": 0.1, "seen": np.zeros((20, 20))}, "no pixel"),
        (np.zeros((20, 20)), {"sigma": 0.1, "seen": np.ones((20, 20, 1))}, r"\(20, 20, 1\)"),
        (np.zeros((20, 20)), {"sigma": 0.1, "seed": -1}, "seed=-1"),
        (np.zeros((20, 20)), {"sigma": 0.1, "seed": 2**40}, "seed=1099511627776"),
        (np.zeros((20, 20), bool), {}, "bool"),
        (np.zeros((20, 20), complex), {}, "complex"),
        (np.zeros((20, 20), np.int32), {}, "int32"),
        (np.zeros((20, 20), np.uint32), {}, "uint32"),
        (0.5, {}, r"\(\)"),
        ([], {}, r"\(0,\)"),
        ([[0.0, 1.0], [0.5]], {}, "no array"),
        ("photo.png", {}, "<U9"),
        (None, {}, "object"),
        (np.zeros((0, 20)), {"sigma": 0.1}, r"\(0, 20, 1\)"),
        (np.zeros((2, 20, 20, 3)), {"sigma": 0.1}, r"\(2, 20, 20, 3\)"),
        (np.full((20, 20), np.inf), {"sigma": 0.1}, "finite"),
        (np.full((20, 20), -0.1), {"sigma": 0.1}, "-0.1"),
    ],
)
def test_what_is_no_picture_is_refused_before_anything_runs(image, fields, named):
    with pytest.raises(InputError, match=named):
        rtickets.restore(image, config=QUICK, **fields)


def test_the_command_restores_files_and_folders_and_reuses_masks(tmp_path, noisy, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    values = (255 * noisy).astype(np.uint8)
    opacity = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    Image.fromarray(np.concatenate([values, opacity], -1)).save(folder / "a.png")
    Image.fromarray(values[..., 0]).save(folder / "b.png")
    (folder / "notes.txt").write_text("no picture")
    out, ticket = tmp_path / "a.png", tmp_path / "ticket"
    one = ["restore", str(folder / "a.png"), f"--out={out}", *WORDS]
    assert main([*one, f"--save-mask={ticket}"]) == 0
    assert "estimated" in capsys.readouterr().out
    found = np.asarray(Image.open(out))
    np.testing.assert_array_equal(found[..., 3:], opacity)
    assert np.any(found[..., :3] != values)
    assert not list(tmp_path.glob(".*"))  # of what was unfinished nothing is left
    assert main(one) == 2
    assert "--force" in capsys.readouterr().err
    every = ["restore", str(folder), f"--out={tmp_path / 'out'}", f"--mask={ticket}", *WORDS]
    assert main([*every, "--sigma=0.1"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    with Image.open(tmp_path / "out" / "b.png") as grey:
        assert (grey.size, grey.mode) == ((16, 16), "L")
    (tmp_path / "out" / "b.png").unlink()  # as if it had been interrupted
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    assert main([*every, "--sigma=0.1"]) == 0
    assert "1 of 2" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.png").exists()
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    assert main([*every, "--sigma=0.1"]) == 2


def test_masks_of_deep_decoders_are_saved_and_taken_too(tmp_path, noisy):
    source, ticket = tmp_path / "a.png", tmp_path / "ticket"
    Image.fromarray((255 * np.tile(noisy, (2, 2, 1))).astype(np.uint8)).save(source)
    words = [
        *("restore", str(source), "--sigma=0.1", "--config.generator.arch=deep_decoder"),
        *("--config.generator.channels=(4, 4, 4, 4)", "--config.mask.steps=2"),
        *("--config.training.steps=3", "--config.sparsity=0.5"),
    ]
    assert main([*words, f"--out={tmp_path / 'b.png'}", f"--save-mask={ticket}"]) == 0
    assert main([*words, f"--out={tmp_path / 'c.png'}", f"--mask={ticket}"]) == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["a.png"], "--out"),
        (["missing.png", "--out=b.png"], "missing.png"),
        (["a.png", "--out=b.xyz"], "b.xyz"),
        (["bad.png", "--out=b.png"], "bad.png"),
        (["huge.png", "--out=b.png"], "huge.png: 12000x9000"),
        (["empty", "--out=out"], "empty"),
        (["a.png", "--out=b.png", "--mask=none"], "none"),
        (["a.png", "--out=b.png", "--mask=latest:none"], "no complete run"),
        (["a.png", "--out=b.png", "--sigma=30"], "30"),
        (["a.png", "--out=b.png", "--config.sparsity=2"], "sparsity"),
        (["a.png", "--out=b.png", "--config.sparsity=0", "--save-mask=m"], "--save-mask"),
        (
            [
                "a.png",
                "--out=b.png",
                "--config.generator.arch=deep_decoder",
                "--config.generator.channels=(4,4,4,4)",
                "--config.mask_side=16",
            ],
            "4 layers",
        ),
        (["a.png", "--out=bad.png/b.png"], "bad.png"),
        (["a.png", "--out=b.png", "--save-mask=bad.png/m"], "bad.png"),
        (["several", "--out=out"], "tiny.png"),  # the second of them
        (["several", "--out=out", "--sigma=0.1", "--seen=several/big.png"], "tiny.png"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, words, named):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save("a.png")
    (tmp_path / "bad.png").write_bytes(b"bad")
    small = (tmp_path / "a.png").read_bytes()
    size = b"IHDR" + struct.pack(">II", 12_000, 9_000) + small[24:29]
    head = small[:12] + size + struct.pack(">I", zlib.crc32(size))
    (tmp_path / "huge.png").write_bytes(head + small[33:])
    (tmp_path / "empty").mkdir()
    (tmp_path / "several").mkdir()
    for name, side in (("big.png", 20), ("tiny.png", 8)):
        Image.fromarray(np.full((side, side), 99, np.uint8)).save(tmp_path / "several" / name)
    assert main(["restore", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert named in said
    assert "\n" not in said
    assert not (tmp_path / "b.png").exists()
    assert not (tmp_path / "out").exists()
