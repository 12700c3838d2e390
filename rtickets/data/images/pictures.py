"""Image files: which formats are read, and what is checked before one is decoded.

Pillow knows more formats than are read here. Some of them start other programs (PostScript) or let
others decode (HDF5, GRIB); the ending of a file's name promises nothing, so the formats are named
whenever a file is opened.
"""

import io
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from rtickets.data.limits import check_unpacked, size_of
from rtickets.errors import InputError

FORMATS = (
    "PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF",
)  # fmt: skip
LARGEST_FILE = 1 << 30  # bytes of one image
_GREY_MODES = ("1", "L", "LA")
_ORIENTATION, _UPRIGHT = 0x0112, 1  # of EXIF


class Header(NamedTuple):
    """What an image file says about itself.

    Attributes:
        grey: it has no colour.
        turned: it asks to be turned or mirrored when it is shown (EXIF), which is not done.
        animated: it holds several pictures, of which the first counts.
    """

    grey: bool = True
    turned: bool = False
    animated: bool = False


@cache
def suffixes() -> frozenset[str]:
    """Return the endings, in small letters, of names of files that are read as images."""
    kinds = {*FORMATS, "MPO"}  # photographs of some cameras, read as JPEG
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in kinds)


@cache
def _available() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def is_image_name(path: Path) -> bool:
    """Return whether a file counts as an image by the ending of its name."""
    return path.suffix.lower() in suffixes()


def read_file(path: Path) -> bytes:
    """Return the contents of an image file that is not far larger than an image."""
    if size_of(path) > LARGEST_FILE:
        raise InputError(f"{path}: has more than {LARGEST_FILE:,} bytes, which is no image")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def open_image(data: bytes, name: object) -> Image.Image:
    """Open an image without decoding it.

    Args:
        data: its file.
        name: what errors call it.

    Returns:
        The image; `load` decodes it, and raises anything if it is damaged.

    Raises:
        InputError: naming it, if it is of no format that is read, or would fill the memory.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=_available())
    except Image.UnidentifiedImageError:
        raise InputError(
            f"{name}: cannot be read as an image: it is damaged or of another format than "
            f"{', '.join(_available())}"
        ) from None
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{name}: cannot be read as an image: {error}") from None
    width, height = image.size
    check_unpacked(4 * width * height, len(data), f"{name}: {width}x{height} pixels")
    return image


def read_header(path: Path) -> Header:
    """Return what an image's header says; what is wrong with it shows when it is decoded."""
    try:
        with Image.open(path, formats=_available()) as image:
            grey = image.mode in _GREY_MODES
            # of MPO, the further pictures are previews and other views
            animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
            return Header(grey, _is_turned(image), animated)
    except Exception:  # damage surfaces as whatever the reader trips over
        return Header()


def size_in(path: Path) -> tuple[int, int]:
    """Return the (height, width) that an image's header says, without decoding it.

    Raises:
        InputError: naming it, if it cannot be read.
    """
    size_of(path)
    try:
        with Image.open(path, formats=_available()) as image:
            return image.height, image.width
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{path}: cannot be read as an image: {error}") from None


def _is_turned(image: Image.Image) -> bool:
    """Return whether EXIF asks for a turn that decoding does not make; of TIFF it makes it."""
    if image.format == "TIFF" or "exif" not in image.info:
        return False
    try:
        return bool(image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT)
    except Exception:  # the picture itself may be sound
        return False
