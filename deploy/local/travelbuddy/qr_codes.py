"""QR codes as PNG images of an exact size."""

import struct
import zlib
from collections.abc import Iterator

import segno

MAX_SIZE = 10_000
"""Pixels of a side. The original has no limit but its memory."""

_QUIET_ZONE = 4
_WHITE = "1"


def draw(text: str, size: int) -> bytes | None:
    """A PNG of `size` by `size` pixels; None if it cannot be drawn (the size or the text's length)."""
    if not 0 < size <= MAX_SIZE:
        return None
    try:
        code = segno.make(text, micro=False)
    except segno.DataOverflowError:
        return None
    modules = ["".join("01"[not dark] for dark in row) for row in code.matrix_iter(1, _QUIET_ZONE)]
    return _png(size, _pixels(modules, size))


def _pixels(modules: list[str], size: int) -> Iterator[str]:
    """Rows of pixels: whole pixels a module where they fit, the margin white; else the nearest module."""
    scale, rest = divmod(size, len(modules))
    if scale == 0:
        at = [pixel * len(modules) // size for pixel in range(size)]
        yield from ("".join(modules[y][x] for x in at) for y in at)
        return
    blank, before = _WHITE * size, rest // 2
    yield from [blank] * before
    for row in modules:
        drawn = "".join(module * scale for module in row)
        line = f"{_WHITE * before}{drawn}{_WHITE * (rest - before)}"
        yield from [line] * scale
    yield from [blank] * (rest - before)


def _png(size: int, rows: Iterator[str]) -> bytes:
    """One bit a pixel, grey scale (PNG specification, 11.2.2: colour type 0, bit depth 1)."""
    width = -(-size // 8)
    deflate = zlib.compressobj()
    packed = bytearray()
    for row in rows:
        packed += deflate.compress(b"\0" + int(row.ljust(width * 8, _WHITE), 2).to_bytes(width))
    packed += deflate.flush()
    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", bytes(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
