"""WebSocket frames as bytes (RFC 6455 5.2). The facade carries them unread; so they need be no more here."""

import base64
import hashlib

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_ACCEPTING = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASK = b"\x37\xfa\x21\x3d"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def frame(kind: int, payload: bytes = b"", *, masked: bool = False, last: bool = True) -> bytes:
    """One frame; a client's are masked."""
    length = len(payload)
    flag = 0x80 if masked else 0
    head = bytes((0x80 * last | kind,))
    if length < 126:
        head += bytes((flag | length,))
    elif length < 65536:
        head += bytes((flag | 126,)) + length.to_bytes(2, "big")
    else:
        head += bytes((flag | 127,)) + length.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"", *, masked: bool = False) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason, masked=masked)


def accepted(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _ACCEPTING).digest())
