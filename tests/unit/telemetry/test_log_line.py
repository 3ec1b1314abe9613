"""The line of a request in the access log: its members, and its two encodings."""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.errors import NoRoute
from proxy.model import Cohort, HashKey
from proxy.model.match import Match, StringMatch
from proxy.routing.logged_names import LoggedNames, names_that_rules_read
from proxy.routing.transforms.response import decision_value
from proxy.routing.transforms.trace_context import NO_CLAIMS, identify
from proxy.telemetry.log_line import USUAL_LINE, LineWriter, log_line, read_part, route_part
from proxy.telemetry.request_record import Record, reason_of
from tests.make import decided, facts, refs, route, table

TABLE = b"""
version: 1
backends: {a: "http://127.0.0.1:1", b: "http://127.0.0.1:2"}
routes:
  - name: a-route
    match: {path: {prefix: /}, query: {v: {exact: "1"}}, headers: {x-v: {present: true}}}
    backend_refs: {a: 50, b: 50}
  - {name: rest, backend_refs: a}
"""
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
    decision = decided(table(wanted), wanted, facts(), 100)
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
    record = Record("abc", 1234, request, decided(table(wanted), wanted, request, 1234), wanted)
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


def test_the_line_of_a_usual_request_holds_the_members_of_the_general_line() -> None:
    snapshot = snapshot_of(load(TABLE, "t.yaml"), TABLE, {}, 0.0)
    wanted = snapshot.table.routes[0]
    request = replace(
        facts("/x", query="v=1", host="h"), headers=[(b"x-v", b'"\xff')], has_query=True
    )
    writer = LineWriter()
    for number, now in enumerate((0.25, 1.0, 1.999999, 1_700_000_000.123456, 1_700_000_000.5)):
        record = Record(snapshot.version, 1000 * number + 7, request, route=wanted, attempts=1)
        record.decision = decided(snapshot.table, wanted, request, record.draw_bp)
        record.identity = identity = identify(NO_CLAIMS, 1 << number)
        record.status, record.complete = 200 + number, True
        record.received_bytes, record.sent_bytes = number, 10**number
        record.first_byte_s = record.total_s = 12.3456789 * number
        backend = record.decision.backend
        assert backend is not None
        second = int(now)
        usual = USUAL_LINE % (
            *(writer.second(second), (now - second) * 1e6),
            *(record.draw_bp / 100, record.status, record.received_bytes, record.sent_bytes),
            *(record.total_s * 1e3, record.total_s * 1e3),
            *(identity.request_id, identity.trace_id),
            route_part(wanted, backend, record.decision.reason, snapshot.version),
            *(b"192.0.2.1", b"GET", b"h", b"/x"),
            read_part(request, snapshot.reads),
        )
        line = json.loads(usual)
        general = json.loads(writer.line(record, snapshot.reads, now))
        assert _to_the_second(line) == _to_the_second(general)
        assert abs(_micros(line) - _micros(general)) <= 1


def test_where_rules_read_nothing_of_a_request_nothing_is_added() -> None:
    assert read_part(facts("/"), LoggedNames(("v",))) == b""


def _to_the_second(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"time": line["time"].rstrip("Z").partition(".")[0]}


def _micros(line: dict[str, Any]) -> int:
    return int(line["time"].rstrip("Z").partition(".")[2] or "0")
