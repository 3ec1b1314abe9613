"""A good response, by `response_ok` of its route (rule 8)."""

import gzip

import pytest

from proxy.http1.response_head import ResponseHead, read_response_head
from proxy.model import JsonType, ResponseOk
from proxy.routing.response_ok import (
    MAX_JUDGED_BYTES,
    is_body_ok,
    is_good,
    is_status_ok,
    needs_body,
)

LIST = ResponseOk(json_type="array")


def head(status: int = 200, *fields: str) -> ResponseHead:
    return read_response_head("\r\n".join((f"HTTP/1.1 {status} x", *fields)).encode())


@pytest.mark.parametrize(
    ("rule", "method", "status", "is_ok"),
    [
        pytest.param(None, "GET", 499, True, id="without a rule, below 500"),
        pytest.param(None, "GET", 500, False, id="without a rule, from 500"),
        pytest.param(LIST, "GET", 404, True, id="without statuses, below 500"),
        pytest.param(LIST, "GET", 503, False, id="without statuses, from 500"),
        pytest.param(ResponseOk(frozenset((200, 503))), "GET", 503, True, id="listed"),
        pytest.param(ResponseOk(frozenset((200,))), "GET", 204, False, id="not listed"),
        pytest.param(ResponseOk(frozenset((200,))), "HEAD", 204, True, id="not asked of HEAD"),
        pytest.param(ResponseOk(frozenset((200,))), "HEAD", 500, False, id="HEAD, from 500"),
        pytest.param(ResponseOk(frozenset((200,))), "GET", 304, True, id="not asked of 304"),
    ],
)
def test_the_status_decides(rule: ResponseOk | None, method: str, status: int, is_ok: bool) -> None:
    assert is_status_ok(rule, method, status) is is_ok


@pytest.mark.parametrize(
    ("rule", "method", "response", "needs"),
    [
        pytest.param(LIST, "GET", head(), True, id="a 200 without a length"),
        pytest.param(LIST, "GET", head(201, "content-length: 0"), True, id="an empty 201"),
        pytest.param(LIST, "POST", head(), True, id="of a write"),
        pytest.param(LIST, "GET", head(200, "content-encoding: gzip"), True, id="gzip"),
        pytest.param(LIST, "GET", head(200, "content-encoding: X-GZIP"), True, id="its old name"),
        pytest.param(LIST, "GET", head(200, "content-encoding: identity"), True, id="identity"),
        pytest.param(LIST, "GET", head(200, "content-encoding: br"), False, id="another coding"),
        pytest.param(LIST, "GET", head(200, "content-encoding: gzip, br"), False, id="two codings"),
        pytest.param(LIST, "GET", head(200, f"content-length: {MAX_JUDGED_BYTES}"), True, id="at the bound"),
        pytest.param(LIST, "GET", head(200, f"content-length: {MAX_JUDGED_BYTES + 1}"), False, id="too long"),
        pytest.param(LIST, "HEAD", head(), False, id="HEAD"),
        pytest.param(LIST, "GET", head(204), False, id="204 has no body"),
        pytest.param(LIST, "GET", head(206), False, id="a part"),
        pytest.param(LIST, "GET", head(304), False, id="304"),
        pytest.param(LIST, "GET", head(404), False, id="404 is about something else"),
        pytest.param(ResponseOk(frozenset((200,))), "GET", head(), False, id="no JSON type"),
        pytest.param(None, "GET", head(), False, id="no rule"),
    ],
)  # fmt: skip
def test_the_body_decides(
    rule: ResponseOk | None, method: str, response: ResponseHead, needs: bool
) -> None:
    assert needs_body(rule, method, response) is needs


@pytest.mark.parametrize(
    ("json_type", "body", "is_ok"),
    [
        ("array", b"[]", True),
        ("array", b' \r\n[{"id": 1}] ', True),
        ("array", b"", False),
        ("array", b" ", False),
        ("array", b"{}", False),
        ("array", b"[1", False),
        ("array", b"[] []", False),
        ("array", b"<html>", False),
        ("array", b"[" * 100_000 + b"]" * 100_000, False),
        ("object", b"{}", True),
        ("object", b"[]", False),
        ("string", b'"a"', True),
        ("string", b"a", False),
        ("number", b"-1.5e3", True),
        ("number", b"7", True),
        ("number", b'"7"', False),
        ("boolean", b"true", True),
        ("boolean", b"false", True),
        ("boolean", b"null", False),
    ],
)
def test_a_body_is_json_of_a_type(json_type: JsonType, body: bytes, is_ok: bool) -> None:
    rule = ResponseOk(json_type=json_type)
    assert is_body_ok(rule, head().fields, body) is is_ok


@pytest.mark.parametrize(
    ("body", "is_ok"),
    [
        pytest.param(gzip.compress(b"[]"), True, id="an array"),
        pytest.param(gzip.compress(b""), False, id="empty"),
        pytest.param(b"", False, id="not even a header of gzip"),
        pytest.param(gzip.compress(b"[]")[:-1], False, id="cut off"),
        pytest.param(b"[]", False, id="not encoded"),
        pytest.param(gzip.compress(b"x" * MAX_JUDGED_BYTES), False, id="at the bound"),
        pytest.param(gzip.compress(b"x" * (MAX_JUDGED_BYTES + 1)), True, id="too long: not judged"),
    ],
)
def test_an_encoded_body_is_decoded(body: bytes, is_ok: bool) -> None:
    fields = head(200, "content-encoding: gzip").fields
    assert is_body_ok(LIST, fields, body) is is_ok


def test_without_a_json_type_every_body_is_ok() -> None:
    assert is_body_ok(ResponseOk(frozenset((200,))), head().fields, b"")


@pytest.mark.parametrize(
    ("rule", "response", "body", "good"),
    [
        pytest.param(None, head(), b"", True, id="without a rule"),
        pytest.param(None, head(503), b"", False, id="without a rule, from 500"),
        pytest.param(ResponseOk(frozenset((503,))), head(503), b"", False, id="listed, from 500"),
        pytest.param(ResponseOk(frozenset((200,))), head(404), b"", False, id="not listed"),
        pytest.param(LIST, head(404), b"no", True, id="a status whose body is not judged"),
        pytest.param(LIST, head(), b"[]", True, id="an array"),
        pytest.param(LIST, head(), b"", False, id="an empty 200"),
    ],
)
def test_a_good_response_needs_no_further_step(
    rule: ResponseOk | None, response: ResponseHead, body: bytes, good: bool
) -> None:
    """A listed status from 500 on is ok, but may lead to a retry or a fallback."""
    assert is_good(rule, "GET", response, body) is good
