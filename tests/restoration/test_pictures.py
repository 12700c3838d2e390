"""Picture files as arrays and back: bits, colours and opacity as they came."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from rtickets.errors import InputError
from rtickets.restoration import png16
from rtickets.restoration.pictures import format_of, open_named, read_picture, write_picture

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_eight_bits_come_back_as_they_were(tmp_path, mode, ending):
    values = RANDOM.integers(0, 256, (7, 9, len(mode))).astype(np.uint8)
    Image.fromarray(values[..., 0] if mode == "L" else values).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found.pixels.shape == (7, 9, 3 if "RGB" in mode else 1)
    assert (found.alpha is not None) == mode.endswith("A")
    write_picture(tmp_path / f"b.{ending}", found)
    again, before = (Image.open(tmp_path / name) for name in (f"b.{ending}", "a.png"))
    if ending == "webp":  # it knows colours alone
        before = before.convert("RGBA" if mode.endswith("A") else "RGB")
    np.testing.assert_array_equal(again, before)
    assert again.mode == before.mode


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_colour_that_is_transparent_becomes_opacity(tmp_path, mode):
    values = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    key = (0, 0, 0) if mode == "RGB" else 0
    Image.fromarray(values).convert(mode).save(tmp_path / "a.png", transparency=key)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(image.convert("RGBA"))[..., 3] / 255
    found = read_picture(tmp_path / "a.png")
    assert found.pixels.shape[-1] == (3 if mode in ("P", "RGB") else 1)
    np.testing.assert_array_equal(found.alpha, expected)
    assert {0, 1} == set(np.unique(found.alpha))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_sixteen_bits_becomes_opacity(tmp_path, channels):
    values = RANDOM.integers(0, 65536, (5, 6, channels)).astype(np.uint16)
    data = png16.write(values)
    key = png16._chunk(b"tRNS", values[1, 2].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(data[:33] + key + data[33:])
    found = read_picture(tmp_path / "a.png")
    assert found.pixels.shape == (5, 6, channels)
    np.testing.assert_array_equal(found.alpha == 0, (values == values[1, 2]).all(-1))


def _tiff16(values):
    """Return a TIFF file of values uint16 (H, W, 3)."""
    height, width, _ = values.shape
    tags = [(256, width), (257, height), (258, 122), (259, 1), (262, 2), (273, 128), (277, 3),
            (278, height), (279, values.size * 2)]  # fmt: skip
    entries = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, value)
        for tag, value in tags
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    return head + struct.pack("<HHH", 16, 16, 16) + values.astype("<u2").tobytes()


def test_colours_of_more_bits_than_are_read_are_refused(tmp_path):
    values = RANDOM.integers(0, 65536, (4, 5, 3)).astype(np.uint16)
    (tmp_path / "a.tif").write_bytes(_tiff16(values))
    (tmp_path / "a.ppm").write_bytes(b"P6 5 4 65535\n" + values.astype(">u2").tobytes())
    for name in ("a.tif", "a.ppm"):
        with pytest.raises(InputError, match=rf"{name}.*16 bits.*png"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "deep.png"])
def test_the_profile_of_colours_is_kept(tmp_path, name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if name == "deep.png":
        (tmp_path / name).write_bytes(png16.write(np.zeros((4, 5, 3), np.uint16), profile))
    else:
        Image.new("RGB", (5, 4)).save(tmp_path / name, icc_profile=profile)
    found = read_picture(tmp_path / name)
    write_picture(tmp_path / f"b{name}", found)
    assert found.profile == profile
    with Image.open(tmp_path / f"b{name}") as image:
        assert image.info["icc_profile"] == profile


def test_a_profile_goes_where_its_colours_go(tmp_path):
    Image.new("CMYK", (5, 4)).save(tmp_path / "a.jpg", icc_profile=b"of inks")
    assert read_picture(tmp_path / "a.jpg").profile is None


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


@pytest.mark.parametrize("asked", range(1, 9))
def test_turned_photographs_of_sixteen_bits_are_read_as_those_of_eight(tmp_path, asked):
    values = RANDOM.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = asked
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    data = png16.write(values.astype(np.uint16) * 257)
    notes = png16._chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "b.png").write_bytes(data[:33] + notes + data[33:])
    eight, sixteen = (read_picture(tmp_path / name) for name in ("a.png", "b.png"))
    assert (eight.bits, sixteen.bits) == (8, 16)
    np.testing.assert_array_equal(sixteen.pixels, eight.pixels)


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
