"""The head of a response for the client: the short cut for a response that no rule changes says what the rules say."""

import pytest

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.forwarding.decided import Decided, decide_request
from proxy.forwarding.response_headers import facade_headers, response_fields, response_head
from proxy.http1.fields import field_line
from proxy.http1.request_head import RequestFields, RequestHead
from proxy.http1.response_head import read_response_head
from proxy.model import HeaderPairs, Moment
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.response import client_response_headers
from proxy.telemetry.request_record import Record

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1"}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
  - name: mapped
    match: {path: {prefix: /mapped}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}
  - name: edited
    match: {path: {prefix: /edited}}
    response: {headers: {set: {x-by: facade}, remove: [server]}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}
"""
RESPONSES: list[HeaderPairs] = [
    [(b"server", b"x"), (b"content-type", b"text/plain"), (b"content-length", b"3")],
    [(b"connection", b"keep-alive"), (b"keep-alive", b"timeout=5"), (b"x-a", b"1"), (b"x-a", b"2")],
    [(b"connection", b"close, x-a"), (b"x-a", b"1"), (b"x-b", b"2")],
    [(b"set-cookie", b"a=1; Path=/inner")],
    [(b"location", b"/inner/7")],
    [(b"content-location", b"/inner/7")],
    [(b"link", b"</inner/7>; rel=next")],
    [(b"x-request-id", b"theirs"), (b"x-facade-decision", b"forged")],
    [(b"transfer-encoding", b"chunked"), (b"trailer", b"x-t"), (b"upgrade", b"h2c")],
]
FRAMING = (b"content-length", b"transfer-encoding", b"keep-alive")


@pytest.fixture
def snapshot() -> Snapshot:
    return snapshot_of(load(TABLE.encode(), "t.yaml"), TABLE.encode(), {}, 0.0)


def decided_for(snapshot: Snapshot, path: str, client: str) -> tuple[Decided, Record]:
    record = Record(snapshot.version)
    head = RequestHead("GET", path.encode(), 1, RequestFields([(b"host", b"www.example")]))
    decided = decide_request(head, client, "http", snapshot, record, Moment(bits=1 << 100))
    assert decided is not None
    return decided, record


@pytest.mark.parametrize("path", ["/plain/1", "/mapped/1", "/edited/1"])
@pytest.mark.parametrize("headers", RESPONSES)
@pytest.mark.parametrize("client", ["127.0.0.1", "192.0.2.1"])
def test_a_client_gets_the_fields_of_the_rules(
    snapshot: Snapshot, path: str, headers: HeaderPairs, client: str
) -> None:
    decided, record = decided_for(snapshot, path, client)
    raw = b"\r\n".join((b"HTTP/1.1 200 OK", *(b": ".join(pair) for pair in headers)))
    head = read_response_head(raw)
    kept = [
        *client_response_headers(headers, snapshot, decided.facts, decided.decision),
        *facade_headers(snapshot, record),
    ]
    wanted = [field_line(pair) for pair in kept if pair[0] not in FRAMING]
    if head.fields.length is not None:
        wanted.append(b"Content-Length: %d" % head.fields.length)
    for _ in range(2):
        status, *lines = response_head(head, decided, snapshot, record).split(b"\r\n")
        assert status == b"HTTP/1.1 200 OK"
        assert sorted(lines[:-1]) == sorted(wanted)
        assert sorted(response_fields(head, decided, snapshot, record)) == sorted(kept)


def test_a_client_that_may_not_see_the_decision_does_not(snapshot: Snapshot) -> None:
    """One head of a backend, passed on to two clients."""
    head = read_response_head(b"HTTP/1.1 200 OK\r\nx: y")
    seen = []
    for client in ("127.0.0.1", "192.0.2.1"):
        decided, record = decided_for(snapshot, "/plain/1", client)
        seen.append(b"x-facade-decision" in response_head(head, decided, snapshot, record))
    assert seen == [True, False]
