"""Whether a response is good, by `response_ok` of its route (rule 8). Pure."""

import zlib
from collections.abc import Mapping

import msgspec

from proxy.http1.response_head import ResponseFields, ResponseHead
from proxy.model import HeaderPairs, JsonType, ResponseOk

MAX_JUDGED_BYTES = 1024 * 1024
"""The body of a longer response is not judged; it is passed on as it comes."""
_BODILESS = frozenset((204, 205, 304))
_WHITESPACE = b" \t\r\n"
_GZIP_WBITS = zlib.MAX_WBITS | 16
_FIRST_BYTES: Mapping[JsonType, bytes] = {
    "array": b"[",
    "object": b"{",
    "string": b'"',
    "number": b"-0123456789",
    "boolean": b"tf",
}
"""The first byte of a JSON text (RFC 8259 3)."""


def is_status_ok(rule: ResponseOk | None, method: str, status: int) -> bool:
    """Whether the status alone allows a good response. The rule is not about HEAD and 304."""
    if rule is None or not rule.statuses or method == "HEAD" or status == 304:
        return status < 500
    return status in rule.statuses


def needs_body(rule: ResponseOk | None, method: str, head: ResponseHead) -> bool:
    """Whether the body of a response with a good status decides.

    It does not for HEAD, without a 2xx, and for parts (206); nor for a body that is too long, or encoded otherwise
    than by gzip.
    """
    status, length = head.status, head.fields.length
    if rule is None or rule.json_type is None or method == "HEAD" or not 200 <= status < 300:
        return False
    if status in _BODILESS or status == 206:
        return False
    return (length is None or length <= MAX_JUDGED_BYTES) and _coding(head.fields) is not None


def is_good(rule: ResponseOk | None, method: str, head: ResponseHead, body: bytes) -> bool:
    """Whether a whole response is good and has no status that `retry` or `fallback` may list."""
    if head.status >= 500 or not is_status_ok(rule, method, head.status):
        return False
    return rule is None or not needs_body(rule, method, head) or is_body_ok(rule, head.fields, body)


def is_body_ok(rule: ResponseOk, fields: ResponseFields, body: bytes) -> bool:
    """Whether a whole body is JSON of the type of the rule. A body that is too long once decoded is not judged."""
    text: bytes | None = body
    if _coding(fields) == b"gzip":
        try:
            text = _decoded(body)
        except zlib.error:
            return False
    return text is None or rule.json_type is None or _is_json(text, rule.json_type)


def _coding(fields: ResponseFields) -> bytes | None:
    """`gzip`, empty without a coding, None for another one."""
    codings = _values(fields.pairs, b"content-encoding")
    if codings in ([], [b"identity"]):
        return b""
    return b"gzip" if codings in ([b"gzip"], [b"x-gzip"]) else None


def _values(pairs: HeaderPairs, name: bytes) -> list[bytes]:
    return [value.strip().lower() for field, value in pairs if field == name]


def _decoded(body: bytes) -> bytes | None:
    """The decoded body, None if it is too long. Raises zlib.error if it is not gzip, or not whole."""
    decoder = zlib.decompressobj(_GZIP_WBITS)
    decoded = decoder.decompress(body, MAX_JUDGED_BYTES + 1)
    if len(decoded) > MAX_JUDGED_BYTES:
        return None
    if not decoder.eof:
        raise zlib.error("the body ends early")
    return decoded


def _is_json(text: bytes, json_type: JsonType) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return text.lstrip(_WHITESPACE)[0] in _FIRST_BYTES[json_type]
