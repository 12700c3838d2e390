"""PNG files of 16 bits, which Pillow reads and writes in grey alone."""

import struct
import zlib

import numpy as np

from rtickets.data.limits import check_unpacked
from rtickets.errors import InputError

_MARK = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type


def read(data: bytes) -> np.ndarray | None:
    """Return the values of a file, uint16 (H, W, 1 to 4); None if it is none of 16 bits.

    A colour that is declared to be transparent becomes a channel of opacity.

    Raises:
        InputError: if it is damaged, or interlaced.
    """
    if data[:8] != _MARK or len(data) < 33 or data[12:16] != b"IHDR" or data[24] != 16:
        return None
    width, height = struct.unpack(">II", data[16:24])
    colour, interlaced = data[25], data[28]
    if colour not in _CHANNELS or not width or not height:
        raise InputError("its header is damaged")
    if interlaced:
        raise InputError("it is interlaced, with 16 bits; save it without interlacing")
    row = 2 * _CHANNELS[colour] * width
    expected = height * (row + 1)
    check_unpacked(expected, len(data), "the picture")
    packed = b"".join(body for kind, body in _chunks(data) if kind == b"IDAT")
    try:
        found = zlib.decompressobj().decompress(packed, expected)
    except zlib.error as error:
        raise InputError(f"it is damaged: {error}") from None
    if len(found) != expected:
        raise InputError(f"it is cut off: {len(found):,} bytes of pixels of {expected:,}")
    lines = np.frombuffer(found, np.uint8).reshape(height, row + 1)
    plain = _unfiltered(lines[:, 0], lines[:, 1:], 2 * _CHANNELS[colour])
    values = plain.view(">u2").astype(np.uint16).reshape(height, width, -1)
    key = next((body for kind, body in _chunks(data) if kind == b"tRNS"), None)
    if key is None or len(key) != 2 * values.shape[-1]:
        return values
    opaque = (values != np.frombuffer(key, ">u2")).any(-1, keepdims=True)
    return np.concatenate([values, 65535 * opaque.astype(np.uint16)], -1)


def write(values: np.ndarray, profile: bytes | None = None) -> bytes:
    """Return the file of values uint16 (H, W, 1 to 4), with a profile of its colours."""
    height, width, channels = values.shape
    colour = {count: kind for kind, count in _CHANNELS.items()}[channels]
    lines = values.astype(">u2").reshape(height, -1).view(np.uint8)
    body = np.concatenate([np.zeros((height, 1), np.uint8), lines], 1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(body, 6)), (b"IEND", b"")]
    if profile is not None:
        parts.insert(1, (b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    return _MARK + b"".join(_chunk(kind, part) for kind, part in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(_MARK)
    while at + 8 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _unfiltered(kinds: np.ndarray, lines: np.ndarray, size: int) -> np.ndarray:
    """Undo the filters of the lines; a value's neighbour on the left is `size` bytes away."""
    found = np.zeros((len(lines) + 1, lines.shape[1]), np.uint8)
    for number, (kind, line) in enumerate(zip(kinds.tolist(), lines, strict=True), 1):
        above = found[number - 1]
        if kind == 0:
            found[number] = line
        elif kind == 1:
            steps = line.reshape(-1, size).astype(np.uint32).cumsum(0)
            found[number] = (steps & 255).astype(np.uint8).reshape(-1)
        elif kind == 2:
            found[number] = line + above
        elif kind in (3, 4):
            found[number] = _predicted(line.tolist(), above.tolist(), size, kind == 4)
        else:
            raise InputError(f"it is damaged: a line has the filter {kind}")
    return found[1:]


def _predicted(line: list[int], above: list[int], size: int, paeth: bool) -> list[int]:
    found: list[int] = []
    for place, value in enumerate(line):
        left = found[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        up = above[place]
        if paeth:
            guess = left + up - corner
            by_left, by_up, by_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
            guess = up if by_up <= by_corner else corner
            if by_left <= by_up and by_left <= by_corner:
                guess = left
        else:
            guess = (left + up) // 2
        found.append((value + guess) & 255)
    return found
