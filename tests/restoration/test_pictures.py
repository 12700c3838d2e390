"""Picture files as arrays and back: bits, colours and opacity as they came."""

import numpy as np
import pytest
from PIL import Image

from rtickets.errors import InputError
from rtickets.restoration import png16
from rtickets.restoration.pictures import format_of, open_named, read_picture, write_picture

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_eight_bits_come_back_as_they_were(tmp_path, mode):
    values = RANDOM.integers(0, 256, (7, 9, len(mode))).astype(np.uint8)
    Image.fromarray(values[..., 0] if mode == "L" else values).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found.pixels.shape == (7, 9, 3 if "RGB" in mode else 1)
    assert (found.alpha is not None) == mode.endswith("A")
    write_picture(tmp_path / "b.png", found)
    again, before = (Image.open(tmp_path / name) for name in ("b.png", "a.png"))
    np.testing.assert_array_equal(again, before)
    assert again.mode == mode


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_come_back_as_they_were(tmp_path, channels):
    values = RANDOM.integers(0, 65536, (5, 6, channels)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(png16.write(values))
    found = read_picture(tmp_path / "a.png")
    assert found.bits == 16
    write_picture(tmp_path / "b.png", found)
    np.testing.assert_array_equal(png16.read((tmp_path / "b.png").read_bytes()), values)
    if channels == 1:  # what Pillow can do, too
        np.testing.assert_array_equal(Image.open(tmp_path / "b.png"), values[..., 0])
    with pytest.raises(InputError, match="16 bits"):
        format_of(tmp_path / "b.jpg", found)


def test_files_that_others_wrote_are_read(tmp_path):
    smooth = np.add.outer(np.arange(40) * 300, np.arange(30) * 211).astype(np.uint16)
    Image.fromarray(smooth).save(tmp_path / "a.png")
    np.testing.assert_array_equal(png16.read((tmp_path / "a.png").read_bytes())[..., 0], smooth)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_every_filter_is_undone(kind):
    values = RANDOM.integers(0, 256, (6, 12)).astype(np.uint8)
    before = np.zeros(12, int)
    lines = []
    for row in values.astype(int):
        left, corner = (np.concatenate([np.zeros(4, int), each[:-4]]) for each in (row, before))
        guess = left + before - corner
        away = np.abs(np.stack([guess - left, guess - before, guess - corner]))
        paeth = np.choose(away.argmin(0), [left, before, corner])
        lines.append(row - [0 * row, left, before, (left + before) // 2, paeth][kind])
        before = row
    filtered = (np.array(lines) & 255).astype(np.uint8)
    np.testing.assert_array_equal(png16._unfiltered(np.full(6, kind), filtered, 4), values)


@pytest.mark.parametrize("cut", [40, 60, 90])
def test_damaged_files_are_refused_in_a_line(tmp_path, cut):
    data = png16.write(RANDOM.integers(0, 65536, (9, 9, 3)).astype(np.uint16))
    (tmp_path / "a.png").write_bytes(data[:cut])
    with pytest.raises(InputError, match=r"a\.png"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png"):
        read_picture(tmp_path / "b.png")


def test_what_a_format_cannot_hold_is_said(tmp_path):
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.jpg.*opacity"):
        format_of(tmp_path / "b.jpg", found)
    with pytest.raises(InputError, match=r"b\.xyz"):
        format_of(tmp_path / "b.xyz")


def test_turned_photographs_are_read_upright(tmp_path):
    image = Image.fromarray(RANDOM.integers(0, 256, (4, 9, 3)).astype(np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert read_picture(tmp_path / "a.png").pixels.shape == (9, 4, 3)


def test_named_pictures_are_squares_of_a_size(tmp_path):
    Image.fromarray(RANDOM.integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    assert open_named(str(tmp_path / "a.png"), 20).shape == (20, 20, 3)
    with pytest.raises(InputError, match=r"\(30, 40\).*at least 50"):
        open_named(str(tmp_path / "a.png"), 50)
