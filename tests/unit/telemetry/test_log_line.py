"""The line of a request in the access log: its members, and its two encodings."""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.errors import NoRoute
from proxy.forwarding.route_cache import cached_decision, new_connection_state
from proxy.http1.request_head import RequestFields, RequestHead
from proxy.model import Cohort, HashKey
from proxy.model.match import Match, StringMatch
from proxy.routing.decide import decide
from proxy.routing.logged_names import LoggedNames, names_that_rules_read
from proxy.routing.transforms.response import decision_value
from proxy.routing.transforms.trace_context import identify
from proxy.telemetry.log_line import LineWriter, log_line
from proxy.telemetry.request_record import Record, reason_of
from tests.make import facts, refs, route, table

TABLE = b"""
version: 1
backends: {a: "http://127.0.0.1:1", b: "http://127.0.0.1:2"}
routes:
  - name: a-route
    match: {path: {prefix: /}, query: {v: {exact: "1"}}, headers: {x-v: {present: true}}}
    backend_refs: {a: 50, b: 50}
  - {name: rest, backend_refs: a}
"""
FIELDS = [(b"host", b"h"), (b"x-v", b'"\xff')]
SECRET = {
    "authorization": "Bearer s3cret",
    "cookie": "JSESSIONID=s3cret; beta=1; uid=alice",
    "v": "1",
}


def _line_of(record: Record, reads: LoggedNames) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(log_line(record, reads, 0.25)))
    return line


def test_the_decision_header_is_one_line() -> None:
    assert decision_value(route("list"), "new", "draw") == b"route=list backend=new reason=draw"
    assert decision_value(None, None, "no_route") == b"route=- backend=- reason=no_route"


def test_the_reason_is_that_of_the_error_or_of_the_decision() -> None:
    wanted = route("list", to=refs(legacy=80, new=20))
    decision = decide(table(wanted), wanted, facts(), 100)
    assert reason_of(Record("abc", 100, facts(), decision, wanted)) == "draw"
    assert reason_of(Record("abc", 0, facts(), decision, error=NoRoute("no"))) == "no_route"
    assert reason_of(Record("abc")) == "-"


def test_a_line_holds_only_what_the_rules_read() -> None:
    wanted = replace(
        route(
            match=Match(
                headers=(StringMatch("v", "exact", "1"),),
                cookies=(StringMatch("beta", "present", "true"),),
            )
        ),
        cohort=Cohort("c", "s", (HashKey("cookie", "uid"), HashKey("header", "x-user"))),
    )
    reads = names_that_rules_read(table(wanted))
    assert reads == LoggedNames(("v",), (), ("beta",), ("x-user",), ("uid",))
    request = facts("/p", headers=SECRET, query="token=s3cret")
    record = Record("abc", 1234, request, decide(table(wanted), wanted, request, 1234), wanted)
    line = _line_of(record, reads)
    assert line["headers"] == {"v": ["1"]}
    assert line["cookies"]["beta"] == ["1"]
    assert line["cookies"]["uid"] != ["alice"]
    assert len(line["cookies"]["uid"][0]) == 16
    assert (line["target"], line["bucket"]) == ("/p", 12.34)
    assert "s3cret" not in json.dumps(line)
    assert "alice" not in json.dumps(line)


def test_a_line_has_the_error_and_the_durations() -> None:
    record = Record(
        "abc", error=NoRoute("none"), status=404, complete=True, sent_bytes=9, total_s=0.5
    )
    record.first_byte_s = 0.25
    line = _line_of(record, LoggedNames())
    assert line["time"] == "1970-01-01T00:00:00.250000Z"
    assert (line["status"], line["error"], line["total_ms"], line["first_byte_ms"]) == (
        404,
        "none",
        500.0,
        250.0,
    )
    assert "method" not in line


def test_a_query_that_a_rule_reads_is_in_the_line() -> None:
    reads = names_that_rules_read(
        table(route(match=Match(query=(StringMatch("v", "exact", "1"),))))
    )
    line = _line_of(Record("abc", facts=facts(query="v=1&token=x")), reads)
    assert line["query"] == {"v": ["1"]}


def test_the_format_string_gives_the_same_line_as_the_general_encoding() -> None:
    snapshot = snapshot_of(load(TABLE, "t.yaml"), TABLE, {}, 0.0)
    state = new_connection_state(snapshot, FIELDS, "192.0.2.1", "http")
    writer = LineWriter()
    for number, now in enumerate((0.25, 1.0, 1.999999, 1_700_000_000.123456, 1_700_000_000.5)):
        record = Record(snapshot.version, 1000 * number + 7)
        record.identity = identify(state.said, 1 << number)
        cached = cached_decision(
            state, RequestHead("GET", b"/x?v=1", 1, RequestFields(FIELDS)), record
        )
        assert cached is not None
        record.status, record.complete, record.attempts = 200 + number, True, 1 + number
        record.received_bytes, record.sent_bytes = number, 10**number
        record.first_byte_s, record.total_s = 0.000_4567 * number, 12.3456789 * number
        assert cached.logged
        line = json.loads(writer.line(record, snapshot, cached.logged, now))
        wanted = json.loads(msgspec.json.encode(log_line(record, snapshot.reads, now)))
        assert _to_the_second(line) == _to_the_second(wanted)
        assert abs(_micros(line) - _micros(wanted)) <= 1
        general = writer.line(record, snapshot, b"", now)
        assert json.loads(general) == wanted


def test_an_incomplete_response_has_the_general_encoding() -> None:
    snapshot = snapshot_of(load(TABLE, "t.yaml"), TABLE, {}, 0.0)
    state = new_connection_state(snapshot, FIELDS, "192.0.2.1", "http")
    record = Record(snapshot.version)
    record.identity = identify(state.said, 1)
    cached = cached_decision(state, RequestHead("GET", b"/x", 1, RequestFields(FIELDS)), record)
    assert cached is not None
    record.error, record.first_byte_s, record.complete = NoRoute("none"), 0.1, False
    line = json.loads(LineWriter().line(record, snapshot, cached.logged, 0.0))
    assert (line["complete"], line["error"], line["reason"]) == (False, "none", "no_route")


def test_a_request_id_that_json_escapes_has_the_general_encoding() -> None:
    table_ = TABLE + b"defaults: {forwarded: {trusted_proxies: [192.0.2.0/24]}}\n"
    snapshot = snapshot_of(load(table_, "t.yaml"), table_, {}, 0.0)
    for said, is_fixed in ((b'a"b', False), (b"a\\b", False), (b"a-b", True)):
        fields = [(b"host", b"h"), (b"x-request-id", said)]
        state = new_connection_state(snapshot, fields, "192.0.2.1", "http")
        record = Record(snapshot.version, first_byte_s=0.0, complete=True)
        record.identity = identify(state.said, 1)
        cached = cached_decision(state, RequestHead("GET", b"/x", 1, RequestFields(fields)), record)
        assert cached is not None
        assert bool(cached.logged) is is_fixed
        line = json.loads(LineWriter().line(record, snapshot, cached.logged, 0.0))
        assert line["request_id"] == said.decode()


def _to_the_second(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"time": line["time"].rstrip("Z").partition(".")[0]}


def _micros(line: dict[str, Any]) -> int:
    return int(line["time"].rstrip("Z").partition(".")[2] or "0")
