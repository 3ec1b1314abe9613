"""What a backend is asked."""

import pytest
from msgspec.structs import replace

from proxy.errors import BadRequest, UnknownCoding
from proxy.http1.request_head import read_framing, read_request_head
from proxy.model import (
    BackendRef,
    Body,
    Decision,
    Forwarded,
    HeaderPairs,
    Rewrite,
    Route,
    Timeouts,
)
from proxy.routing.transforms.upstream_request import (
    host_for,
    outgoing,
    request_target,
    upgrade_of,
    upstream_target,
)
from tests.make import backend, facts, route

LEGACY = BackendRef("legacy")


def decision(ref: BackendRef | None = LEGACY, of: Route | None = None) -> Decision:
    return Decision(of or route(), "only", ref, b"/up")


def test_a_backend_is_asked_by_the_path_of_the_decision_with_what_goes_on_of_the_fields() -> None:
    request = facts("/a", "POST", query="q=1", headers={"content-length": "3", "x-a": "1"})
    timeouts = Timeouts(request_s=1.0)
    asked = outgoing(
        request,
        decision(of=replace(route(), timeouts=timeouts)),
        replace(backend(), preserve_host=False),
        Forwarded(),
    )
    assert (asked.method, asked.target, asked.host) == ("POST", b"/up?q=1", None)
    assert (asked.body, asked.timeouts) == (Body("length", 3), timeouts)
    names = [name for name, _ in asked.headers]
    assert b"x-a" in names
    assert not {b"host", b"content-length"} & {*names}


def test_of_what_the_facade_answers_by_itself_nobody_is_asked() -> None:
    with pytest.raises(ValueError, match="the facade answers this request by itself"):
        outgoing(facts(), decision(None), backend(), Forwarded())


@pytest.mark.parametrize(
    ("query", "has_query", "target"),
    [
        ("", False, b"/up"),
        ("", True, b"/up?"),
        ("q=1", True, b"/up?q=1"),
        ("q=1", False, b"/up?q=1"),
    ],
)
def test_the_query_goes_on_as_it_was_sent(query: str, has_query: bool, target: bytes) -> None:
    request = replace(facts(query=query), has_query=has_query)
    assert request_target(request, decision()) == target


NAMED = BackendRef("legacy", rewrite=Rewrite(hostname="new.internal"))
PREFIXED = BackendRef("legacy", rewrite=Rewrite(prefix="/x"))


@pytest.mark.parametrize(
    ("ref", "preserve", "host", "asked"),
    [
        pytest.param(LEGACY, False, "www.example:81", None, id="the endpoint's own"),
        pytest.param(LEGACY, True, "www.example:81", b"www.example:81", id="the client's"),
        pytest.param(LEGACY, True, "", None, id="unless it said none"),
        pytest.param(PREFIXED, True, "h", b"h", id="a rewrite of the path alone"),
        pytest.param(NAMED, False, "h", b"new.internal", id="a rewritten one"),
        pytest.param(NAMED, True, "h", b"new.internal", id="which goes before the client's"),
    ],
)
def test_a_backend_is_asked_for_the_host(
    ref: BackendRef, preserve: bool, host: str, asked: bytes | None
) -> None:
    to = replace(backend(), preserve_host=preserve)
    assert host_for(facts(host=host), ref, to) == asked


LENGTH = b"content-length"
CODING = b"transfer-encoding"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param([(b"accept", b"x")], Body("none"), id="none"),
        pytest.param([(LENGTH, b"0")], Body("length", 0), id="of length 0"),
        pytest.param([(LENGTH, b"12")], Body("length", 12), id="of some length"),
        pytest.param([(LENGTH, b"9" * 18)], Body("length", 10**18 - 1), id="of 18 digits"),
        pytest.param([(CODING, b"chunked")], Body("chunked"), id="in chunks"),
        pytest.param([(CODING, b"Chunked")], Body("chunked"), id="however that is written"),
    ],
)
def test_a_body_is_framed(fields: HeaderPairs, body: Body) -> None:
    assert read_framing(fields) == body


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param([(LENGTH, b"1"), (CODING, b"chunked")], BadRequest, id="both"),
        pytest.param([(LENGTH, b"1"), (LENGTH, b"1")], BadRequest, id="two lengths"),
        pytest.param([(LENGTH, b"-1")], BadRequest, id="no whole number"),
        pytest.param([(LENGTH, b"")], BadRequest, id="no number"),
        pytest.param([(LENGTH, b"9" * 19)], BadRequest, id="19 digits"),
        pytest.param([(CODING, b"gzip")], UnknownCoding, id="another coding"),
        pytest.param([(CODING, b"gzip, chunked")], UnknownCoding, id="two codings"),
        pytest.param([(CODING, b"chunked"), (CODING, b"chunked")], UnknownCoding, id="twice"),
    ],
)
def test_fields_that_contradict_are_refused(fields: HeaderPairs, kind: type[BadRequest]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_framing(fields)
    assert type(refused.value) is kind


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b""])
def test_a_target_that_would_break_the_request_line_is_refused(target: bytes) -> None:
    assert upstream_target(facts(query="q=1"), decision()) == b"/up?q=1"
    with pytest.raises(BadRequest, match="target"):
        upstream_target(facts(), replace(decision(), upstream_path=target))


@pytest.mark.parametrize(
    ("method", "fields", "protocol"),
    [
        pytest.param(b"GET", [b"upgrade: websocket"], b"websocket", id="a WebSocket"),
        pytest.param(b"GET", [b"upgrade: WebSocket"], b"websocket", id="in another case"),
        pytest.param(b"GET", [b"upgrade: h2c, websocket"], b"websocket", id="in a list"),
        pytest.param(
            b"GET", [b"upgrade: h2c", b"upgrade: websocket"], b"websocket", id="in a second field"
        ),
        pytest.param(b"GET", [b"upgrade: h2c"], b"", id="another protocol"),
        pytest.param(b"GET", [b"upgrade: websocket/13, x-websocket"], b"", id="others in a list"),
        pytest.param(b"POST", [b"upgrade: websocket"], b"", id="another method"),
        pytest.param(b"GET", [b"upgrade: websocket", b"content-length: 1"], b"", id="with a body"),
        pytest.param(b"GET", [], b"", id="no upgrade"),
    ],
)
def test_only_the_opening_of_a_websocket_is_an_upgrade(
    method: bytes, fields: list[bytes], protocol: bytes
) -> None:
    lines = (method + b" / HTTP/1.1", b"host: h", b"connection: upgrade", *fields)
    assert upgrade_of(read_request_head(b"\r\n".join(lines))) == protocol
