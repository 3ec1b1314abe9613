"""Content codings: removed, bounded, and those that lie."""

import gzip
import itertools
import struct
import sys
import zlib

import brotli
import pytest

from proxy.comparison.content_coding import codings_of, decoded
from proxy.comparison.problems import Unusable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = b"[" + b"123," * 200_000 + b"1]"


def bare(content: bytes) -> bytes:
    return zlib.compress(content)[2:-4]


def _wide(content: bytes) -> bytes:
    """In a frame that asks the decoder for a window of 128 MB (RFC 8878 3.1.1.1.2)."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return compressor.compress(content) + compressor.flush()


ENCODED = {
    "gzip": gzip.compress(CONTENT),
    "x-gzip": gzip.compress(CONTENT[:9]) + gzip.compress(CONTENT[9:]),
    "deflate": zlib.compress(CONTENT),
    "br": brotli.compress(CONTENT),
    "zstd": zstd.compress(CONTENT[:9]) + zstd.compress(CONTENT[9:]),
}


def decode(codings: tuple[str, ...], body: bytes, max_bytes: int = 10**6) -> bytes:
    steps = decoded(codings, body, max_bytes)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bytes(end.value)


@pytest.mark.parametrize("coding", ENCODED)
def test_a_coding_is_removed(coding: str) -> None:
    assert decode((coding,), ENCODED[coding]) == CONTENT
    assert decode((coding,), b"") == b""


def test_deflate_without_its_frame_and_two_codings() -> None:
    assert decode(("deflate",), bare(CONTENT)) == CONTENT
    assert decode(("gzip", "br"), brotli.compress(gzip.compress(CONTENT))) == CONTENT
    assert decode((), CONTENT) == CONTENT


def test_frames_of_zstd_that_are_empty_or_to_be_skipped() -> None:
    skipped = struct.pack("<II", 0x184D2A50, 5) + b"hello"  # RFC 8878 3.1.2
    assert decode(("zstd",), skipped + zstd.compress(b"[1]") + skipped) == b"[1]"
    assert decode(("zstd",), zstd.compress(b"") + zstd.compress(b"x")) == b"x"


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        *((coding, b"[1, 2, 3]", "undecodable") for coding in ENCODED),
        *((coding, body[:-3], "undecodable") for coding, body in ENCODED.items()),
        ("deflate", zlib.compress(b"[1]") + b"more", "undecodable"),
        ("gzip", gzip.compress(b"[1]") + b"more", "undecodable"),
        ("zstd", _wide(CONTENT), "undecodable"),
        ("compress", b"[1]", "unknown_coding"),
        *((coding, body, "too_large") for coding, body in ENCODED.items()),
    ],
    ids=itertools.count(),
)
def test_a_coding_that_is_none(coding: str, body: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as raised:
        decode((coding,), body, 10_000 if reason == "too_large" else 10**6)
    assert raised.value.reason == reason


def test_a_body_that_expands_without_end_is_not_expanded() -> None:
    content = bytes(30 * 1024 * 1024)
    bombs = {
        "gzip": gzip.compress(content, 1),
        "br": brotli.compress(content, quality=1),
        "zstd": zstd.compress(content),
    }
    for coding, body in bombs.items():
        with pytest.raises(Unusable, match="larger"):
            decode((coding,), body)


def test_too_many_codings_are_not_removed() -> None:
    with pytest.raises(Unusable, match="not known"):
        decode(("gzip",) * 4, b"x")


def test_the_codings_of_a_response() -> None:
    assert codings_of([b"GZIP, identity", b" br,"]) == ("gzip", "br")
    assert codings_of([]) == ()
