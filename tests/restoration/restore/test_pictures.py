"""Pictures that are restored: shapes, stops, missing pixels, tiles, what goes wrong."""

import numpy as np
import pytest

import rtickets
from rtickets.errors import InputError
from rtickets.restoration import FitConfig, MaskConfig
from rtickets.restoration.fit_lanes import Lane
from rtickets.restoration.outcome import why_unfinished
from rtickets.restoration.prepared import as_pixels
from rtickets.restoration.tiles import joined, tiles_of
from rtickets.settings import config_files
from tests.restoration.restore.conftest import QUICK


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
