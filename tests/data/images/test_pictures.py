"""What is read as an image, and what is not."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rtickets.data.images.pictures import Header, read_file, read_header, suffixes
from rtickets.data.images.views import View, decode
from rtickets.errors import InputError


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of_zeros(width, height):
    """A sound PNG of black pixels, a thousandth of their size."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(width + 1)) for _ in range(height)) + rows.flush()
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_postscript_starts_no_interpreter(tmp_path, monkeypatch):
    """Pillow would hand it to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("it was started"))
    words = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n%%EOF\n"
    (tmp_path / "a.jpg").write_bytes(words)
    assert Image.open(io.BytesIO(words)).format == "EPS"
    with pytest.raises(InputError, match=r"a\.jpg: .* PNG, JPEG"):
        decode(words, "a.jpg")
    assert read_header(tmp_path / "a.jpg") == Header()


@pytest.mark.parametrize("kind", ["TGA", "PCX", "SGI", "ICO", "PDF", "EPS"])
def test_formats_that_nobody_chose_are_refused(kind):
    with pytest.raises(InputError, match=r"x: .*image"):
        decode(encoded(Image.new("RGB", (16, 16)), kind), "x")


def test_endings_are_those_of_the_formats():
    assert {".png", ".jpg", ".jfif", ".tif", ".ppm", ".jp2", ".webp", ".mpo"} <= suffixes()
    assert not {".eps", ".ps", ".pdf", ".h5", ".tga", ".txt", ""} & suffixes()
    assert all(one == one.lower() for one in suffixes())


def test_small_files_of_many_pixels_are_refused_before_they_are_decoded():
    bomb = png_of_zeros(9000, 9000)
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match=r"9000x9000 pixels: .*unpack"):
        decode(bomb, "bomb.png")
    assert decode(png_of_zeros(3000, 3000), "plain.png").size == (3000, 3000)


def test_sizes_that_pillow_refuses_are_one_line():
    bomb = png_of_zeros(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", 2**30, 2**30))
    body = bomb[12:29]
    bomb = bomb.replace(bomb[29:33], struct.pack(">I", zlib.crc32(body)), 1)
    with pytest.raises(InputError, match=r"huge\.png: .*exceeds"):
        decode(bomb, "huge.png")


@pytest.mark.parametrize("shape", [(1, 60_000), (60_000, 1)])
def test_a_strip_is_not_scaled_up_by_its_short_side(shape):
    image = Image.new("RGB", shape)
    with pytest.raises(InputError, match=r"60000.* 256: .*data\.resize=0"):
        View((224, 224), 256).evaluation(image)
    assert View((8, 8)).evaluation(image).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("CMYK", "TIFF", (255, 255, 255)),  # no ink is white
        ("YCbCr", "TIFF", (0, 135, 0)),
        ("P", "PNG", (0, 0, 0)),
        ("1", "TIFF", (0, 0, 0)),
        ("RGBA", "TIFF", (255, 255, 255)),
        ("LA", "PNG", (255, 255, 255)),
    ],
)
def test_other_colour_spaces_become_plain_colours(mode, kind, expected):
    image = decode(encoded(Image.new(mode, (2, 2)), kind), "x")
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == expected


def test_colours_that_cannot_be_converted_are_named(monkeypatch):
    """Whether LAB can be depends on the version of Pillow."""

    def refuse(*_, **__):
        raise ValueError("conversion from LAB to RGB not supported")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(InputError, match=r"x: .*LAB to RGB"):
        decode(encoded(Image.new("LAB", (2, 2)), "TIFF"), "x")


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "TIFF"), ("I", "TIFF"), ("F", "TIFF")])
def test_more_than_8_bits_are_refused_with_what_to_do(mode, kind):
    with pytest.raises(InputError, match=r"8 bits.*convert"):
        decode(encoded(Image.new(mode, (2, 2)), kind), "x")


def test_devices_pipes_and_folders_are_no_files(tmp_path):
    for path in ("/dev/zero", str(tmp_path)):
        with pytest.raises(InputError, match=f"{path}: .*not a file"):
            read_file(tmp_path / path)
    with (tmp_path / "film.png").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(InputError, match=r"film\.png: .* bytes"):
        read_file(tmp_path / "film.png")


SAMPLES = [
    encoded(Image.fromarray(np.arange(108, dtype=np.uint8).reshape(6, 6, 3)), kind)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_damage_anywhere_is_an_image_or_one_line(whole, data):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    try:
        assert decode(damaged, "x").mode == "RGB"
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
