"""The tool: any picture in, the same kind out; when it stops, and what it refuses."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import rtickets
from rtickets.cli import main
from rtickets.errors import InputError
from rtickets.restoration import FitConfig, GeneratorConfig, MaskConfig, RestoreConfig
from rtickets.restoration.fit_lanes import Lane
from rtickets.restoration.outcome import why_unfinished
from rtickets.restoration.prepared import as_pixels
from rtickets.restoration.tiles import joined, tiles_of
from rtickets.settings import config_files

QUICK = RestoreConfig(
    generator=GeneratorConfig(channels=(4, 6), depth=3),
    sparsity=0.5,
    mask=MaskConfig(steps=3),
    mask_side=16,
    training=FitConfig(steps=20, every=5),
)
WORDS = [
    "--config.generator.channels=(4, 6)", "--config.generator.depth=3", "--config.mask.steps=2",
    "--config.mask_side=16", "--config.training.steps=6", "--config.training.every=3",
    "--config.sparsity=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def noisy(clean):
    return np.clip(clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape), 0, 1)


def test_a_picture_comes_back_in_its_shape_and_what_goes_on_is_told(noisy):
    told = []
    found = rtickets.restore(noisy, sigma=0.1, config=QUICK, say=lambda *one: told.append(one))
    assert found.picture.shape == noisy.shape
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    assert {one[0] for one in told} == {"learning the mask", "restoring"}
    assert all(done <= total for _, done, total, _ in told)
    error = ((found.picture - noisy) ** 2).mean()
    assert found.psnr_noisy == pytest.approx(-10 * np.log10(error), abs=1e-2)
    again = rtickets.restore(noisy, sigma=0.1, config=QUICK)
    np.testing.assert_array_equal(again.picture, found.picture)


class Killed(BaseException):
    """What no code that goes on after errors catches."""


def test_what_was_killed_goes_on_and_ends_bit_equal(tmp_path, noisy):
    picture = np.tile(noisy, (1, 8, 1))
    training = FitConfig(steps=14, every=2, checkpoint_every=4)
    config = config_files.replace(
        QUICK, tile=64, overlap=0, training=training, mask=MaskConfig(steps=3, checkpoint_every=1)
    )
    whole = rtickets.restore(picture, sigma=0.01, config=config)

    def kill(name, done, total, loss):
        if (name, done) == ("restoring tile 2 of 2", 10):
            raise Killed

    with pytest.raises(Killed):
        rtickets.restore(picture, sigma=0.01, config=config, say=kill, folder=tmp_path)
    (work,) = tmp_path.iterdir()
    assert [path.name for path in (work / "tile2" / "fit").iterdir() if path.is_dir()] == ["8"]
    assert not (work / "tile1" / "fit").exists()
    told = []
    again = rtickets.restore(
        picture, sigma=0.01, config=config, say=lambda *one: told.append(one[0]), folder=tmp_path
    )
    assert "restoring tile 1 of 2" not in told
    np.testing.assert_array_equal(again.picture, whole.picture)
    assert again[1:-2] == whole[1:-2]
    rtickets.restore(picture, sigma=0.02, config=config, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # another noise is other work


def test_it_stops_where_only_noise_is_left_or_patience_ends(noisy):
    found = rtickets.restore(noisy, sigma=0.9, config=QUICK)
    assert (found.stopped, found.steps) == (("noise level",), (5,))
    impatient = config_files.replace(QUICK, patience=1, training=FitConfig(
        steps=400, every=1, learning_rate=0.3
    ))  # fmt: skip
    found = rtickets.restore(noisy, sigma=0.0, config=impatient)
    assert found.stopped == ("patience",)
    assert found.steps[0] < 400


def test_missing_pixels_are_painted_and_do_not_count(noisy):
    seen = np.random.default_rng(1).random(noisy.shape[:2]) > 0.5
    spoilt = np.where(seen[..., None], noisy, 0)
    white = np.where(seen[..., None], noisy, 1)
    found = [rtickets.restore(x, sigma=0.1, seen=seen, config=QUICK) for x in (spoilt, white)]
    np.testing.assert_array_equal(found[0].picture, found[1].picture)
    assert found[0].notes == found[1].notes


def test_a_picture_that_misses_more_than_noise_is_said_to(noisy):
    brief = config_files.replace(QUICK, sparsity=0.0)
    for sigma, words in ((0.003, "worse than what was given"), (0.9, None)):
        found = rtickets.restore(noisy, sigma=sigma, config=brief)
        said = [note for note in found.notes if "noise explains" in note]
        assert bool(said) == bool(words)
        if words:
            assert words in said[0]
    assert "misses detail" in why_unfinished(0.015, 0.01)
    assert why_unfinished(0.011, 0.01) is None
    assert why_unfinished(1.0, 0.0) is None


def test_errors_that_are_told_are_of_the_pixels_that_are_there(noisy):
    seen = np.arange(16) % 4 == np.zeros((16, 1))
    told = []
    config = config_files.replace(QUICK, sparsity=0.0, training=FitConfig(steps=20, average=0.0))
    found = rtickets.restore(
        noisy, sigma=0.0, seen=seen, config=config, say=lambda *one: told.append(one[3])
    )
    assert -10 * np.log10(told[-1]) == pytest.approx(found.psnr_noisy, abs=0.5)


def test_a_run_that_went_back_or_diverged_says_so(noisy, monkeypatch):
    config = config_files.replace(QUICK, sparsity=0.0)
    monkeypatch.setattr(Lane, "jumped", lambda lane, point, flat: not lane.backs)
    found = rtickets.restore(noisy, sigma=0.0, config=config)
    assert found.stopped == ("steps",)
    assert any("1 times" in note and "5" in note for note in found.notes)
    monkeypatch.setattr(Lane, "jumped", lambda lane, point, flat: True)
    found = rtickets.restore(noisy, sigma=0.0, config=config)
    assert found.stopped == ("diverged",)
    assert any("diverged" in note for note in found.notes)


def test_what_is_of_one_colour_but_for_noise_has_not_collapsed():
    noise = np.random.default_rng(0).normal(size=(16, 16, 1))
    flat = 0.5 + 0.1 * noise / noise.std()
    config = config_files.replace(QUICK, training=FitConfig(steps=200, every=1, learning_rate=0.05))
    found = rtickets.restore(np.clip(flat, 0, 1), sigma=0.101, config=config)
    assert found.stopped == ("noise level",)
    assert not any("collapsed" in note for note in found.notes)


def test_a_picture_of_one_colour_has_not_collapsed():
    found = rtickets.restore(np.zeros((16, 16, 3)), sigma=0.0, config=QUICK)
    assert not any("collapsed" in note for note in found.notes)


def test_noise_that_cannot_be_found_is_said(noisy):
    seen = np.arange(16) % 2 == np.zeros((16, 1))  # every other column
    found = rtickets.restore(noisy, seen=seen, config=config_files.replace(QUICK, sparsity=0.0))
    assert found.sigma == 0
    assert any("no noise" in note for note in found.notes)


def test_a_tile_without_any_pixel_is_painted_too(noisy):
    picture = np.tile(noisy, (1, 8, 1))
    seen = np.ones((16, 128), bool)
    seen[:, 60:] = False
    config = config_files.replace(QUICK, tile=64, overlap=0, sparsity=0.0)
    found = rtickets.restore(picture, sigma=0.1, seen=seen, config=config)
    assert np.isfinite(found.picture).all()
    assert len(found.steps) == 2


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, ">u2", np.float16, np.float32, ">f4", np.float64]
)
def test_integers_are_divided_by_their_largest(dtype):
    whole = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    np.testing.assert_allclose(as_pixels(np.full((3, 4), whole, dtype)), np.ones((3, 4, 1)))
    with pytest.raises(InputError, match="int64"):
        as_pixels(np.ones((3, 4), np.int64))


@pytest.mark.parametrize(
    ("shape", "side", "overlap", "count"),
    [((40, 40), 64, 8, 1), ((100, 40), 64, 8, 2), ((131, 90), 64, 16, 6), ((64, 65), 64, 0, 2)],
)
def test_tiles_cover_a_picture_without_seams(shape, side, overlap, count):
    tiles = tiles_of(shape, side, overlap)
    assert len(tiles) == count
    picture = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    parts = [tile.of(picture[None])[0] for tile in tiles]
    assert all(max(part.shape[:2]) <= side for part in parts)
    np.testing.assert_allclose(joined(tiles, parts, picture.shape), picture, rtol=1e-6)


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
