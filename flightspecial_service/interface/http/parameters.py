"""The query parameters and the Idempotency-Key of a request."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Container, Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from flightspecial_service.application.idempotency import IdempotencyKey
from flightspecial_service.domain import ID_MAX, Cursor, FlightSpecial, SpecialsFilter
from flightspecial_service.errors import Invalid, Malformed
from flightspecial_service.interface.http.messages import HeaderPair, Request

LIMIT_MAX = 1_000
"""Specials, or former names of a flight, on one page."""
KEY_MAX = 255
_PARAMETERS = ("limit", "cursor", "origin", "destination", "unexpired")
_NAME_PARAMETERS = ("limit", "after")
_PLACE_MAX = 255
_LIMIT = re.compile(r"[1-9][0-9]{0,3}")
_AFTER = re.compile(r"[0-9]{1,18}")
# Clients send bare UUIDs and quoted strings (RFC 8941 3.3.3): both are accepted.
_KEY_TEXT = r"[!#-\[\]-~]{1,255}"
KEY_PATTERN = f'^({_KEY_TEXT}|"{_KEY_TEXT}")$'
_KEY = re.compile(KEY_PATTERN)


def read_filter(request: Request, now: datetime) -> SpecialsFilter | None:
    """Page and filter of a list; None for the complete list. Raises Malformed, Invalid."""
    if not request.scope["query_string"]:
        return None
    query = _query(request)
    if not query:
        return None
    limit = _limit(query)
    cursor = query.get("cursor")
    if cursor is not None and limit is None:
        raise Invalid("cursor needs limit: take the whole address from the Link header")
    unexpired = query.get("unexpired", "false")
    if unexpired not in ("true", "false"):
        raise Invalid("unexpired is true or false")
    return SpecialsFilter(
        origin=_place(query, "origin"),
        destination=_place(query, "destination"),
        unexpired_at=now if unexpired == "true" else None,
        after=None if cursor is None else decode_cursor(cursor),
        limit=limit,
    )


def read_name_page(request: Request) -> tuple[int, int]:
    """A page of a flight's former names: how many precede it, and its size. Raises Malformed, Invalid."""
    query = _query(request, _NAME_PARAMETERS)
    after = query.get("after", "0")
    if _AFTER.fullmatch(after) is None:
        raise Invalid("after is the number of a name, or 0")
    return int(after), _limit(query) or LIMIT_MAX


def next_link(request: Request, last: FlightSpecial) -> HeaderPair:
    """The Link field (RFC 8288) to the page of specials after `last`."""
    cursor = encode_cursor(Cursor(last.expires_at, last.id))
    return _link(request, _query(request) | {"cursor": cursor})


def next_names_link(request: Request, after: int, limit: int) -> HeaderPair:
    """The Link field to the page of names after the name with the number `after`."""
    return _link(request, {"limit": str(limit), "after": str(after)})


def _link(request: Request, query: Mapping[str, str]) -> HeaderPair:
    target = f"{quote(request.scope['path'])}?{urlencode(query)}"
    return (b"link", f'<{target}>; rel="next"'.encode())


def encode_cursor(cursor: Cursor) -> str:
    """The cursor as opaque text for a query."""
    text = msgspec.json.encode((cursor.expires_at, cursor.id))
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_cursor(text: str) -> Cursor:
    """The inverse of `encode_cursor`. Raises Invalid at any other text."""
    refusal = "this cursor was not made here: take it from the Link header"
    try:
        content = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        cursor = Cursor(*msgspec.json.decode(content, type=tuple[datetime | None, int]))
    except (Base64Error, UnicodeError, ValueError, msgspec.DecodeError) as error:
        raise Invalid(refusal) from error
    aware = cursor.expires_at is None or cursor.expires_at.tzinfo is not None
    # Each cursor has exactly one text: refuse other spellings of the same JSON.
    if not (aware and 1 <= cursor.id <= ID_MAX) or encode_cursor(cursor) != text:
        raise Invalid(refusal)
    return cursor


def read_key(request: Request, body: bytes) -> IdempotencyKey | None:
    """The Idempotency-Key with the fingerprint of the request; None without one. Raises Malformed."""
    text = request.listed(b"idempotency-key")
    if text is None:
        return None
    if _KEY.fullmatch(text) is None:
        raise Malformed(f"Idempotency-Key is 1 to {KEY_MAX} visible characters, without blanks")
    scope = request.scope
    digest = sha256()
    for part in (
        scope["method"].encode(),
        scope["path"].encode(errors="surrogateescape"),
        (request.listed(b"if-match") or "").encode("latin-1"),
        (request.listed(b"if-none-match") or "").encode("latin-1"),
        body,
    ):
        digest.update(b"%d:" % len(part) + part)
    return IdempotencyKey(text.strip('"'), digest.digest())


def _query(request: Request, names: Container[str] = _PARAMETERS) -> dict[str, str]:
    """The parameters with these names; others are ignored. Raises Malformed, Invalid."""
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Malformed("the query is not percent-encoded UTF-8") from error
    known = [pair for pair in pairs if pair[0] in names]
    if len(dict(known)) < len(known):
        raise Invalid("a parameter of the query comes twice")
    return dict(known)


def _limit(query: Mapping[str, str]) -> int | None:
    limit = query.get("limit")
    if limit is None:
        return None
    if _LIMIT.fullmatch(limit) is None or int(limit) > LIMIT_MAX:
        raise Invalid(f"limit is a number from 1 to {LIMIT_MAX}")
    return int(limit)


def _place(query: Mapping[str, str], name: str) -> str | None:
    place = query.get(name)
    if place is not None and (not 1 <= len(place) <= _PLACE_MAX or "\0" in place):
        raise Invalid(f"{name} is the name or the code of a place, 1 to {_PLACE_MAX} characters")
    return place
