"""Removes content codings (RFC 9110 8.4), in slices and to a bound."""

import sys
import zlib
from collections.abc import Callable, Iterator

import brotli

from proxy.comparison.pace import Steps
from proxy.comparison.problems import NotComparable, Undecodable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE_BYTES = 64 * 1024
_MAX_CODINGS = 3
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""RFC 8878 3.1.1.1.2 recommends that decoders support a window of 8 MB."""


def codings_of(fields: list[bytes]) -> tuple[str, ...]:
    """The codings of Content-Encoding in the order in which they were applied, without `identity`."""
    words = b",".join(fields).decode("latin-1").lower().split(",")
    named = (word.strip() for word in words)
    return tuple(word for word in named if word not in ("", "identity"))


def decoded(codings: tuple[str, ...], body: bytes, max_bytes: int) -> Steps[bytes]:
    """The body without its codings. Raises Unusable."""
    if len(codings) > _MAX_CODINGS:
        raise NotComparable("unknown_coding")
    if not body:
        return body
    for coding in reversed(codings):
        decode = _DECODERS.get(coding)
        if decode is None:
            raise NotComparable("unknown_coding")
        body = yield from _collected(decode, body, max_bytes)
    return body


def _collected(
    decode: Callable[[bytes], Iterator[bytes]], body: bytes, max_bytes: int
) -> Steps[bytes]:
    whole = bytearray()
    try:
        for piece in decode(body):
            whole += piece
            if len(whole) > max_bytes:
                raise NotComparable("too_large")
            yield
    except (zlib.error, brotli.error, zstd.ZstdError, EOFError):
        raise Undecodable("undecodable") from None
    return bytes(whole)


def _gzip(body: bytes) -> Iterator[bytes]:
    """All members of a gzip file (RFC 1952 2.2)."""
    while body:
        decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        yield from _zlib_pieces(decoder, body)
        body = decoder.unused_data


def _deflate(body: bytes) -> Iterator[bytes]:
    """The zlib format, or the bare one that some servers send (RFC 9110 8.4.1.2)."""
    is_zlib = len(body) > 1 and body[0] & 15 == 8 and (body[0] * 256 + body[1]) % 31 == 0
    decoder = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    yield from _zlib_pieces(decoder, body)
    if decoder.unused_data:
        raise EOFError


def _zlib_pieces(decoder: "zlib._Decompress", body: bytes) -> Iterator[bytes]:
    piece = decoder.decompress(body, _PIECE_BYTES)
    while not decoder.eof:
        if not piece and not decoder.unconsumed_tail:
            raise EOFError
        yield piece
        piece = decoder.decompress(decoder.unconsumed_tail, _PIECE_BYTES)
    yield piece


def _brotli(body: bytes) -> Iterator[bytes]:
    decoder, rest = brotli.Decompressor(), body
    while not decoder.is_finished():
        piece = decoder.process(rest, output_buffer_limit=_PIECE_BYTES)
        if not piece and not decoder.is_finished():
            raise EOFError
        yield piece
        rest = b""


def _zstd(body: bytes) -> Iterator[bytes]:
    """All frames (RFC 8878 3)."""
    while body:
        decoder, rest = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS), body
        while not decoder.eof:
            piece = decoder.decompress(rest, _PIECE_BYTES)
            if not piece and not decoder.eof:
                raise EOFError
            yield piece
            rest = b""
        body = decoder.unused_data


_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
