"""Picture files of any kind, as arrays in [0, 1], and back as they came: bits, colours, opacity."""

import io
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from rtickets.data.images.pictures import open_image, read_file
from rtickets.errors import InputError
from rtickets.restoration import png16
from rtickets.storage.files import write_bytes

_AS_THEY_ARE = ("L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B")
_WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF",
            ".tiff": "TIFF", ".bmp": "BMP"}  # fmt: skip
_ALPHA = ("PNG", "WEBP", "TIFF")
_QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95}, "WEBP": {"lossless": True, "exact": True},
}  # fmt: skip
_ORIENTATION = 0x0112  # of EXIF


class PictureFile(NamedTuple):
    """A picture as a file has it.

    Attributes:
        pixels: float32 (H, W, 1 or 3) in [0, 1].
        alpha: opacity, float32 (H, W) likewise, or None.
        bits: 8 or 16 of every value.
        profile: what its colours mean (ICC), or None.
        notes: what was changed in reading, in lines.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    bits: int
    notes: tuple[str, ...] = ()
    profile: bytes | None = None


def read_picture(path: Path) -> PictureFile:
    """Read a picture upright, as its EXIF asks for.

    Raises:
        InputError: if it cannot be read, its values have no upper end, or bits would be lost.
    """
    data = read_file(path)
    image = open_image(data, path)
    notes = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append(f"{path}: it holds several pictures, of which the first is restored")
    try:
        if (deep := png16.read(data)) is not None:  # Pillow drops half of the bits of these
            return _of_values(_upright(deep, image), 16, notes, image)
        _check_bits(image)
        image.load()
        image = ImageOps.exif_transpose(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{path}: cannot be decoded: {error}") from None
    return _of_values(*_values(image, path, notes), notes, image)


def _upright(values: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return values turned and mirrored as `ImageOps.exif_transpose` does it with an image."""
    asked = image.getexif().get(_ORIENTATION)
    turned = values.swapaxes(0, 1) if asked in (5, 6, 7, 8) else values
    rows, columns = (-1 if asked in flips else 1 for flips in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return turned[::rows, ::columns]


def _check_bits(image: Image.Image) -> None:
    """Refuse coloured pictures of more than 8 bits, of which Pillow drops all but 8."""
    tiles: Any = getattr(image, "tile", ())
    words = [word for tile in tiles for word in np.atleast_1d(np.array(tile[3], object))]
    deep = any(isinstance(word, str) and ";16" in word for word in words)
    deep |= image.format == "PPM" and any(isinstance(word, int) and word > 255 for word in words)
    if deep and not image.mode.startswith("I"):
        raise InputError("has colours of 16 bits, which are read of PNG alone; save it as .png")


def _values(image: Image.Image, path: Path, notes: list[str]) -> tuple[np.ndarray, int]:
    """Return integers (H, W, 1 to 4) and their bits."""
    mode = image.mode
    if mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"{path}: has values in [{values.min()}, {values.max()}]; expected 8 or 16 bits"
            )
        return values[:, :, None], 16
    if mode == "F":
        raise InputError(f"{path}: has real numbers as values; save it with 8 or 16 bits")
    see_through = mode in ("PA", "La", "RGBa") or "transparency" in image.info
    if mode not in _AS_THEY_ARE or (see_through and mode in ("L", "RGB")):
        wanted = ("L" if mode in ("1", "L") else "RGB") + "A" * see_through
        if mode == "1" and see_through:
            image = image.convert("RGBA")  # Pillow knows no other way
        if mode not in ("1", "P", "PA", "L", "RGB"):
            image.info.pop("icc_profile", None)  # it is of the colours before
            notes.append(f"{path}: its colours ({mode}) are made {wanted}")
        image = image.convert(wanted)
    values = np.asarray(image)
    return values.reshape(*values.shape[:2], -1), 16 if mode.startswith("I;16") else 8


def _of_values(values: np.ndarray, bits: int, notes: list[str], image: Image.Image) -> PictureFile:
    scaled = values.astype(np.float32) / (2**bits - 1)
    colours = 3 if scaled.shape[-1] >= 3 else 1
    alpha = scaled[..., colours] if scaled.shape[-1] > colours else None
    profile = image.info.get("icc_profile")
    return PictureFile(scaled[..., :colours], alpha, bits, tuple(notes), profile)


def format_of(path: Path, picture: PictureFile | None = None) -> str:
    """Return the format that a file is written in, by the ending of its name.

    Raises:
        InputError: if there is none, or it would lose the bits or the opacity of the picture.
    """
    found = _WRITTEN.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: no picture is written under this ending; use one of {', '.join(_WRITTEN)}"
        )
    if picture is not None and picture.bits == 16 and found != "PNG":
        raise InputError(f"{path}: the picture has 16 bits, which are written as .png alone")
    if picture is not None and picture.alpha is not None and found not in _ALPHA:
        raise InputError(f"{path}: the picture has opacity, which {found} cannot hold; use .png")
    return found


def write_picture(path: Path, picture: PictureFile) -> None:
    """Write a picture so that it is there whole or not at all; see `format_of`."""
    kind = format_of(path, picture)
    parts = [picture.pixels, *([] if picture.alpha is None else [picture.alpha[..., None]])]
    values = np.clip(np.concatenate(parts, -1), 0, 1) * (2**picture.bits - 1)
    if picture.bits == 16:
        write_bytes(path, png16.write(np.rint(values).astype(np.uint16), picture.profile))
        return
    bytes_ = np.rint(values).astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)
    options = dict(_QUALITY.get(kind, {}))
    if picture.profile is not None and kind != "BMP":
        options["icc_profile"] = picture.profile
    image.save(buffer, kind, **options)
    write_bytes(path, buffer.getvalue())


def open_named(name: str, size: int) -> np.ndarray:
    """Return a picture (size, size, C), the middle of a file or of a picture of scikit-image.

    Raises:
        InputError: if there is none of the name, or it is smaller.
    """
    path = Path(name)
    if not path.suffix:
        found = util.find_spec("skimage")
        if found is None or found.origin is None:
            raise InputError(
                f"{name} names a picture of scikit-image, which is not installed; install "
                "rtickets[scenes], or give a file"
            )
        path = Path(found.origin).parent / "data" / f"{name}.png"
    pixels = read_picture(path).pixels
    side = min(pixels.shape[:2])
    if side < size:
        raise InputError(f"{name}: its sides are {pixels.shape[:2]}; expected at least {size}")
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    channels = [
        np.asarray(Image.fromarray(square[..., i]).resize((size, size), Image.Resampling.LANCZOS))
        for i in range(square.shape[-1])
    ]
    return np.clip(np.stack(channels, -1), 0, 1)
