"""Which fields of a backend's response reach the client, and which responses need no rule."""

import pytest
from msgspec.structs import replace

from proxy.http1.response_head import ResponseHead, read_response_head
from proxy.model import (
    BackendRef,
    Decision,
    DirectResponse,
    HeaderEdits,
    HeaderPairs,
    Rewrite,
)
from proxy.routing.transforms.headers import apply_header_edits
from proxy.routing.transforms.response import (
    client_response_headers,
    decision_value,
    head_block,
    lines_without_framing,
    prepared_edits,
    unchanged,
)
from tests.make import decided, facts, prefix, route, snapshot, table

HEADER = b"x-facade-decision"
NO_EDITS = HeaderEdits()


def head(*fields: bytes, status: bytes = b"200 OK") -> ResponseHead:
    return read_response_head(b"\r\n".join((b"HTTP/1.1 " + status, *fields)))


def by_edits(edits: HeaderEdits = NO_EDITS, rewrite: Rewrite | None = None) -> Decision:
    ref = BackendRef("legacy", rewrite=rewrite, response=edits)
    of = table(route("r", prefix("/a"), to=(ref,)))
    return decided(of, of.routes[0], facts("/a/x"), 0)


def for_client(headers: HeaderPairs, decision: Decision) -> HeaderPairs:
    return client_response_headers(
        headers, snapshot(table(decision.route)), facts("/a/x"), decision
    )


# --- the general rules --------------------------------------------------------------------------


def test_fields_of_the_backend_go_on_without_those_of_one_connection() -> None:
    headers = [(b"a", b"1"), (b"connection", b"x-b"), (b"x-b", b"2"), (b"x-request-id", b"3")]
    assert for_client(headers, by_edits()) == [(b"a", b"1")]


def test_a_location_is_mapped_back_and_then_edited_by_the_table() -> None:
    edits = HeaderEdits(add=((b"x-a", b"1"),))
    sent = for_client([(b"location", b"/n/y")], by_edits(edits, Rewrite(prefix="/n")))
    assert sent == [(b"location", b"/a/y"), (b"x-a", b"1")]


def test_without_a_backend_nothing_is_mapped_back() -> None:
    gone = replace(route("r"), backend_refs=(), direct_response=DirectResponse(410))
    decision = decided(table(gone), gone, facts("/a"), 0)
    assert decision.ref is None
    assert for_client([(b"location", b"/n/y")], decision) == [(b"location", b"/n/y")]


@pytest.mark.parametrize(
    ("name", "backend", "value"),
    [
        ("r", "legacy", b"route=r backend=legacy reason=only"),
        ("r", None, b"route=r backend=- reason=only"),
        (None, None, b"route=- backend=- reason=only"),
    ],
)
def test_the_decision_header_has_a_dash_for_what_is_missing(
    name: str | None, backend: str | None, value: bytes
) -> None:
    assert decision_value(None if name is None else route(name), backend, "only") == value


# --- responses that no rule changes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "block", "pairs"),
    [
        pytest.param((), b"HTTP/1.1 200 OK\r\n", [], id="no fields"),
        pytest.param(
            (b"Date: x", b"A: 1"),
            b"HTTP/1.1 200 OK\r\nDate: x\r\nA: 1\r\n",
            [(b"date", b"x"), (b"a", b"1")],
            id="fields of the response alone",
        ),
        pytest.param(
            (b"content-length: 3", b"a: 1"),
            b"HTTP/1.1 200 OK\r\na: 1\r\nContent-Length: 3\r\n",
            [(b"content-length", b"3"), (b"a", b"1")],
            id="a length, which is written last",
        ),
        pytest.param(
            (b"transfer-encoding: chunked", b"a: 1"),
            b"HTTP/1.1 200 OK\r\na: 1\r\n",
            [(b"a", b"1")],
            id="chunks, framed by the writer",
        ),
        pytest.param(
            (b"connection: keep-alive", b"keep-alive: timeout=5", b"a: 1"),
            b"HTTP/1.1 200 OK\r\na: 1\r\n",
            [(b"a", b"1")],
            id="the usual fields of a kept connection",
        ),
        pytest.param(
            (b"connection: close",), b"HTTP/1.1 200 OK\r\n", [], id="a connection that closes"
        ),
    ],
)
def test_a_response_that_no_rule_changes_has_its_head_block(
    fields: tuple[bytes, ...], block: bytes, pairs: HeaderPairs
) -> None:
    assert unchanged(head(*fields), HEADER) == (block, pairs)


@pytest.mark.parametrize(
    "field",
    [
        b"connection: x-b",
        b"connection: upgrade",
        b"location: /x",
        b"content-location: /x",
        b"link: </x>",
        b"set-cookie: a=b",
        b"trailer: x",
        b"upgrade: h2c",
        b"proxy-authenticate: Basic",
        b"x-request-id: 1",
        b"x-facade-decision: forged",
    ],
)
def test_a_response_that_a_rule_may_change_takes_the_general_way(field: bytes) -> None:
    assert unchanged(head(b"a: 1", field), HEADER) is None


def test_the_result_is_kept_with_the_head_for_each_decision_header() -> None:
    response = head(b"a: 1", b"x-other: 1")
    first = unchanged(response, HEADER)
    assert first is not None
    assert unchanged(response, HEADER) is first
    assert unchanged(response, b"x-other") is None
    assert unchanged(response, HEADER) is first


def test_the_results_that_are_kept_with_a_head_are_bounded() -> None:
    response = head(b"a: 1")
    for number in range(100):
        assert unchanged(response, b"x-%d" % number) == (
            b"HTTP/1.1 200 OK\r\na: 1\r\n",
            [(b"a", b"1")],
        )
        assert len(response.rendered) <= 16


@pytest.mark.parametrize(
    ("status", "length", "block"),
    [
        (b"200 OK", b"3", b"HTTP/1.1 200 OK\r\na: 1\r\nContent-Length: 3\r\n"),
        (b"304 Whatever", b"3", b"HTTP/1.1 304 Not Modified\r\na: 1\r\nContent-Length: 3\r\n"),
        (b"204 No Content", b"0", b"HTTP/1.1 204 No Content\r\na: 1\r\n"),
        (b"200 OK", None, b"HTTP/1.1 200 OK\r\na: 1\r\n"),
    ],
)
def test_a_head_block_has_the_length_of_the_response_but_for_204(
    status: bytes, length: bytes | None, block: bytes
) -> None:
    fields = () if length is None else (b"content-length: " + length,)
    assert head_block(head(*fields, status=status), [(b"a", b"1")]) == block


def test_lines_are_fields_without_framing() -> None:
    framing = [(b"content-length", b"1"), (b"transfer-encoding", b"x"), (b"keep-alive", b"y")]
    assert lines_without_framing([(b"a", b"1"), *framing, (b"b", b"")]) == [b"a: 1", b"b: "]


@pytest.mark.parametrize("status", [b"400 No", b"431 No"])
def test_a_refused_head_is_looked_at_again(status: bytes) -> None:
    assert unchanged(head(b"a: 1", status=status), HEADER) is None


@pytest.mark.parametrize(
    "first",
    [
        NO_EDITS,
        HeaderEdits(set=((b"x-a", b"1"),)),
        HeaderEdits(remove=(b"x-b",), add=((b"x-b", b"2"), (b"x-c", b"3"))),
        HeaderEdits(remove=(b"content-length", b"server"), add=((b"keep-alive", b"5"),)),
    ],
)
@pytest.mark.parametrize(
    "second", [NO_EDITS, HeaderEdits(remove=(b"x-a", b"x-c")), HeaderEdits(add=((b"x-a", b"4"),))]
)
@pytest.mark.parametrize(
    "response",
    [
        head(b"Server: s", b"X-B: 0", b"Content-Length: 12"),
        head(b"X-Z: Content-Length: 1", b"Content-Length: 12"),
        head(b"Server: s", b"Transfer-Encoding: chunked"),
        head(b"Content-Length: 12", status=b"204 No Content"),
        head(),
    ],
)
def test_prepared_edits_give_the_same_head(
    first: HeaderEdits, second: HeaderEdits, response: ResponseHead
) -> None:
    unedited = unchanged(response, HEADER)
    assert unedited is not None
    edits = prepared_edits(first, second)
    block = unedited[0] if edits is None else edits.block(response, *unedited)
    fields = apply_header_edits(apply_header_edits(unedited[1], first), second)
    assert block == head_block(response, fields)


def test_no_edits_are_nothing_to_prepare() -> None:
    assert prepared_edits(NO_EDITS, NO_EDITS) is None
