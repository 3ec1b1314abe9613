"""Parses heads of old backends: rewrites the deviations that the table tolerates, then parses strictly.

Each deviation is named in `tolerate` of a backend. All others stay errors (ADR 10). Requests are never read this way.
"""

import re
from collections.abc import Callable

from proxy.http1.fields import TCHAR
from proxy.http1.response_head import check_incomplete
from proxy.http1.response_parser import LastResponse, ResponseParser
from proxy.model import Deviation

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_FOLD = re.compile(rb"[ \t]*\r\n[ \t]+")
_SPACE_BEFORE_COLON = re.compile(rb"(\r\n" + TCHAR + rb"+)[ \t]+:")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE)
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)")

OnTolerated = Callable[[Deviation], None]


def strict_head(raw: bytes, tolerated: frozenset[Deviation]) -> tuple[bytes, list[Deviation]]:
    """The strict form of a head with its empty line, and the deviations that were in it."""
    found: list[Deviation] = []
    if "bare_lf" in tolerated and _BARE_LF.search(raw):
        found.append("bare_lf")
        raw = _BARE_LF.sub(b"\r\n", raw)
    line, end, fields = raw.partition(b"\r\n")
    # White space after the status line is no fold: there is no field that it could continue (RFC 9112 2.2).
    if "folded_fields" in tolerated and fields[:1] not in (b" ", b"\t") and _FOLD.search(fields):
        found.append("folded_fields")
        fields = _FOLD.sub(b" ", fields)
    rest = end + fields
    if "space_before_colon" in tolerated and _SPACE_BEFORE_COLON.search(rest):
        found.append("space_before_colon")
        rest = _SPACE_BEFORE_COLON.sub(rb"\1:", rest)
    if "repeated_content_length" in tolerated:
        fields_with_length = list(_CONTENT_LENGTH.finditer(rest))
        lengths = {
            each.strip(b" \t") for field in fields_with_length for each in field[1].split(b",")
        }
        once = _with_one_length(rest, fields_with_length[0]) if len(lengths) == 1 else rest
        if once != rest:
            found.append("repeated_content_length")
            rest = once
    return line + rest, found


def _with_one_length(fields: bytes, first: re.Match[bytes]) -> bytes:
    """Fields without repeats of Content-Length, all equal. `first` is the first one (RFC 9110 8.6)."""
    before, behind = fields[: first.end(1)], _CONTENT_LENGTH.sub(b"", fields[first.end(1) :])
    value, comma, _ = first[1].partition(b",")
    return before[: first.start(1)] + value + behind if comma else before + behind


class LenientResponseParser(ResponseParser):
    """A `ResponseParser` that tolerates deviations. Calls `on_tolerated` for each one in a head."""

    __slots__ = ("_on_tolerated", "_tolerated")

    def __init__(
        self, last: LastResponse, tolerated: frozenset[Deviation], on_tolerated: OnTolerated
    ) -> None:
        super().__init__(last)
        self._tolerated = tolerated
        self._on_tolerated = on_tolerated

    def _read_head(self, data: bytes) -> None:
        self.has_received = True
        data, self._held = self._held + data, b""
        strict: list[bytes] = []
        while data:
            end = self._end_of_head(data)
            if end is None:
                break
            head, found = strict_head(data[:end], self._tolerated)
            for each in found:
                self._on_tolerated(each)
            strict.append(head)
            data = data[end:]
            if _INTERIM.match(head) is None:
                super()._read_head(b"".join((*strict, data)))
                return
        if strict:
            super()._read_head(b"".join(strict))
        self._held = data

    def _end_of_head(self, data: bytes) -> int | None:
        """The position after the first head of `data`; None if it is incomplete. Raises MalformedResponse."""
        if "bare_lf" not in self._tolerated:
            at = data.find(b"\r\n\r\n")
            end = at + 4 if at >= 0 else None
            check_incomplete(data[:end])
            return end
        found = _HEAD_END.search(data)
        end = None if found is None else found.end()
        # Without line ends: bare ones are tolerated here.
        check_incomplete(data[:end].replace(b"\n", b""))
        return end
