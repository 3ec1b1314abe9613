"""The fast tier's short cuts say what the general rules say."""

import pytest

from proxy.fast_lines import answer_lines, request_lines
from proxy.headers import upstream_headers
from proxy.load import load
from proxy.model import HeaderPairs
from proxy.record import Record
from proxy.table import Snapshot, snapshot_of
from proxy.walk import answer_fields, choose, looks_of

TABLE = """
version: 1
backends:
  legacy: http://127.0.0.1:1
  picky: {url: "http://127.0.0.1:2", cookies: {allow: [a]}, headers: {remove: [x-secret]}}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
  - {name: picky, match: {path: {prefix: /picky}}, backend_refs: picky}
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


def chosen(snapshot: Snapshot, path: str) -> tuple[Record, bytes]:
    """A request's record, and the lines for its backend, asked for twice: the second time from memory."""
    looks = looks_of(snapshot, FIELDS, "127.0.0.1", "http")
    lines = b""
    for bits in (1 << 100, 7 << 100):
        record = Record("v")
        decision = choose(looks, "GET", path.encode(), 1, record, bits)
        assert decision is not None
        assert record.facts is not None
        assert record.identity is not None
        lines = request_lines(looks, decision, record.facts, record.identity)
    return record, lines


@pytest.mark.parametrize("path", ["/plain/1", "/picky/1", "/edited/1"])
def test_a_backend_gets_the_fields_of_the_general_rules(snapshot: Snapshot, path: str) -> None:
    record, lines = chosen(snapshot, path)
    decision, facts = record.decision, record.facts
    assert decision is not None
    assert decision.ref is not None
    assert facts is not None
    backend = snapshot.backends[decision.ref.backend]
    fields = upstream_headers(
        facts, decision.route, decision.ref, backend, frozenset(), record.identity
    )
    assert sorted(lines.split(b"\r\n")[:-1]) == sorted(b": ".join(pair) for pair in fields)


@pytest.mark.parametrize("path", ["/plain/1", "/mapped/1", "/edited/1"])
@pytest.mark.parametrize("headers", ANSWERS)
def test_a_client_gets_the_fields_of_the_general_rules(
    snapshot: Snapshot, path: str, headers: HeaderPairs
) -> None:
    record, _ = chosen(snapshot, path)
    framing = (b"content-length", b"transfer-encoding", b"keep-alive")
    wanted = answer_fields(headers, snapshot, record)
    got = answer_lines(headers, snapshot, record)
    assert got == [b": ".join(pair) for pair in wanted if pair[0] not in framing]


def test_another_table_or_other_fields_make_it_anew(snapshot: Snapshot) -> None:
    looks = looks_of(snapshot, FIELDS, "127.0.0.1", "http")
    record = Record("v")
    choose(looks, "GET", b"/plain/1", 1, record, 1)
    assert record.route is not None
    choose(looks, "GET", b"/picky/1", 1, record, 1)
    assert record.route.name == "picky"
