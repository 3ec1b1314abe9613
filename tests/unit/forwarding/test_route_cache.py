"""The fast tier's short cuts say what the general rules say."""

import json

import pytest

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.errors import BadRequest
from proxy.forwarding.response_headers import facade_headers, response_fields, response_head
from proxy.forwarding.route_cache import (
    CachedDecision,
    ConnectionState,
    cached_decision,
    new_connection_state,
)
from proxy.http1.request_head import RequestFields, RequestHead
from proxy.http1.response_head import read_response_head
from proxy.model import HeaderPairs
from proxy.routing.decide import decide
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.response import client_response_headers
from proxy.routing.transforms.trace_context import claimed_ids, identify
from proxy.routing.transforms.upstream_request import (
    request_field_lines,
    shared_field_lines,
    upstream_target,
)
from proxy.telemetry.log_line import fixed_part, up_to_target
from proxy.telemetry.request_record import Record

TABLE = """
version: 1
backends:
  legacy: http://127.0.0.1:1
  picky: {url: "http://127.0.0.1:2", cookies: {allow: [a]}, headers: {remove: [x-secret]}}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
  - {name: picky, match: {path: {prefix: /picky}}, backend_refs: picky}
  - {name: canary, match: {path: {prefix: /canary}}, backend_refs: {legacy: 50, picky: 50}}
  - name: mapped
    match: {path: {prefix: /mapped}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}
  - name: edited
    match: {path: {prefix: /edited}}
    request: {headers: {set: {x-request-id: ours, x-more: "1"}, remove: [accept]}}
    response: {headers: {set: {x-by: facade}, remove: [server]}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}
"""
FIELDS: HeaderPairs = [
    (b"host", b"www.example"),
    (b"accept", b"*/*"),
    (b"cookie", b"a=1; b=2"),
    (b"x-secret", b"s"),
    (b"traceparent", b"malformed"),
    (b"tracestate", b"a=b"),
    (b"x-request-id", b"theirs"),
    (b"connection", b"keep-alive"),
    (b"x-forwarded-for", b"6.6.6.6"),
    (b"max-forwards", b"7"),
    (b"via", b"1.0 one"),
    (b"via", b"1.1 two"),
]
ANSWERS: list[HeaderPairs] = [
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


@pytest.fixture
def snapshot() -> Snapshot:
    return snapshot_of(load(TABLE.encode(), "t.yaml"), TABLE.encode(), {}, 0.0)


def asked(path: str, method: str = "GET", minor: int = 1) -> RequestHead:
    return RequestHead(method, path.encode(), minor, RequestFields(FIELDS))


IDENTITY = identify(claimed_ids([], False), 1 << 100)


def chosen(state: ConnectionState, head: RequestHead) -> tuple[Record, CachedDecision]:
    record = Record("v")
    record.identity = IDENTITY
    cached = cached_decision(state, head, record)
    assert cached is not None
    return record, cached


def lines_for_the_backend(state: ConnectionState, head: RequestHead) -> tuple[Record, bytes]:
    record, cached = chosen(state, head)
    ref = cached.decision.ref
    assert ref is not None
    of = (state.snapshot, cached.facts, cached.decision, ref, IDENTITY)
    fixed = shared_field_lines(*of)
    if fixed is None:
        return record, request_field_lines(*of)
    ids = (IDENTITY.request_id, IDENTITY.traceparent)
    return record, fixed + b"x-request-id: %b\r\ntraceparent: %b\r\n" % ids


@pytest.mark.parametrize("path", ["/plain/1", "/picky/1", "/edited/1"])
def test_a_backend_gets_the_fields_of_the_general_rules(snapshot: Snapshot, path: str) -> None:
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    # Asked for twice: the second time from memory. Other requests of the same fields are not taken for it.
    for method, minor in (("GET", 1), ("GET", 1), ("OPTIONS", 1), ("GET", 0), ("GET", 1)):
        record, lines = lines_for_the_backend(state, asked(path, method, minor))
        decision, facts = record.decision, record.facts
        assert decision is not None
        assert decision.ref is not None
        assert facts is not None
        backend = snapshot.backends[decision.ref.backend]
        wanted = upstream_headers(
            facts, decision.route, decision.ref, backend, frozenset(), record.identity
        )
        assert sorted(lines.split(b"\r\n")[:-1]) == sorted(b": ".join(pair) for pair in wanted)


@pytest.mark.parametrize("path", ["/plain/1", "/mapped/1", "/edited/1"])
@pytest.mark.parametrize("headers", ANSWERS)
@pytest.mark.parametrize("client", ["127.0.0.1", "192.0.2.1"])
def test_a_client_gets_the_fields_of_the_general_rules(
    snapshot: Snapshot, path: str, headers: HeaderPairs, client: str
) -> None:
    state = new_connection_state(snapshot, FIELDS, client, "http")
    record, cached = chosen(state, asked(path))
    raw = b"\r\n".join((b"HTTP/1.1 200 OK", *(b": ".join(pair) for pair in headers)))
    head = read_response_head(raw, {})
    framing = (b"content-length", b"transfer-encoding", b"keep-alive")
    kept = [
        *client_response_headers(headers, snapshot, cached.facts, cached.decision),
        *facade_headers(snapshot, record),
    ]
    wanted = [b": ".join(pair) for pair in kept if pair[0] not in framing]
    if head.fields.length is not None:
        wanted.append(b"content-length: %d" % head.fields.length)
    for _ in range(2):
        status, *got = response_head(head, cached, snapshot, IDENTITY).split(b"\r\n")
        assert status == b"HTTP/1.1 200 OK"
        assert sorted(got[:-1]) == sorted(wanted)
        listed = response_fields(head, cached, snapshot, record)
        assert sorted(listed) == sorted(kept)


def test_a_client_that_may_not_see_the_decision_does_not(snapshot: Snapshot) -> None:
    """The same answer's head, passed on to two clients."""
    head = read_response_head(b"HTTP/1.1 200 OK\r\nx: y", {})
    seen = []
    for client in ("127.0.0.1", "192.0.2.1"):
        _, cached = chosen(
            new_connection_state(snapshot, FIELDS, client, "http"), asked("/plain/1")
        )
        seen.append(b"x-facade-decision" in response_head(head, cached, snapshot, IDENTITY))
    assert seen == [True, False]


def test_another_head_is_another_request(snapshot: Snapshot) -> None:
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    for path, name in (("/plain/1", "plain"), ("/picky/1", "picky"), ("/plain/1", "plain")):
        record, cached = chosen(state, asked(path))
        assert (record.route is cached.decision.route, cached.decision.route.name) == (True, name)


def test_requests_of_one_entry_keep_what_is_their_own(snapshot: Snapshot) -> None:
    """Target, path upstream and log line are of each request, whoever went the same way before."""
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    for path in ("/mapped/1", '/mapped/"2"', "/mapped/3%2F?q=1&q", "/plain/1", "/mapped/1"):
        _, cached = chosen(state, asked(path))
        facts, decision = cached.facts, cached.decision
        assert decision == decide(snapshot.table, decision.route, facts, 0)
        assert upstream_target(facts, decision) == path.replace("/mapped", "/inner").encode()
        assert cached.logged == fixed_part(facts, decision, snapshot, None)
        assert json.loads(b"{" + cached.logged)["target"] == path.partition("?")[0]


def test_what_was_chosen_and_how_it_was_asked_makes_another_entry(snapshot: Snapshot) -> None:
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    entries = set()
    for draw_bp in (0, 9_999, 0):
        for method, minor in (("GET", 1), ("HEAD", 1), ("GET", 0)):
            for path in ("/canary/1", "/canary/2"):
                record = Record("v", draw_bp)
                cached = cached_decision(state, asked(path, method, minor), record)
                assert cached is not None
                assert cached.decision.backend == ("picky" if draw_bp == 0 else "legacy")
                assert (
                    b"backend=%b " % cached.decision.backend.encode() in cached.entry.decision_line
                )
                entries.add(id(cached.entry))
    assert len(entries) == 6


def test_a_connection_does_not_remember_entries_without_end(snapshot: Snapshot) -> None:
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    for number in range(100):
        chosen(state, asked("/plain", f"M{number}"))
    assert len(state.entries) <= 16


def test_what_rules_read_of_a_request_is_logged_as_its_own() -> None:
    """Of two requests of one entry, each line tells its own query."""
    text = TABLE.replace(
        "match: {path: {prefix: /plain}}",
        "match: {path: {prefix: /plain}, query: {q: {present: true}}}",
    )
    reading = snapshot_of(load(text.encode(), "t.yaml"), text.encode(), {}, 0.0)
    state = new_connection_state(reading, FIELDS, "127.0.0.1", "http")
    for value in ("1", "2"):
        record, cached = chosen(state, asked(f"/plain/1?q={value}"))
        assert record.facts is not None
        assert cached.logged == fixed_part(record.facts, cached.decision, reading, None)
        assert json.loads(b"{" + cached.logged)["query"] == {"q": [value]}


def test_an_id_that_json_would_escape_keeps_the_line_from_the_short_cut(snapshot: Snapshot) -> None:
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    record, cached = chosen(state, asked("/plain/1"))
    assert record.facts is not None
    assert up_to_target(record.facts, cached.decision, snapshot, b"plain") is not None
    for said in (b'a"b', b"a\\b"):
        assert up_to_target(record.facts, cached.decision, snapshot, said) is None


def test_a_target_that_would_break_out_of_its_line_is_not_asked_for(snapshot: Snapshot) -> None:
    """The reader lets none through; what is sent does not lean on that."""
    state = new_connection_state(snapshot, FIELDS, "127.0.0.1", "http")
    _, cached = chosen(state, asked("/plain/1?a b"))
    with pytest.raises(BadRequest):
        upstream_target(cached.facts, cached.decision)
