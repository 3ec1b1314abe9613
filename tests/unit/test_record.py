"""What is told of a request, and what never is."""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.decide import decide
from proxy.errors import NoRoute
from proxy.matches import Match, StringMatch
from proxy.model import Cohort, HashKey
from proxy.record import Reads, Record, decision_value, log_line, reads_of
from tests.make import facts, refs, route, table

SECRET = {
    "authorization": "Bearer s3cret",
    "cookie": "JSESSIONID=s3cret; beta=1; uid=alice",
    "v": "1",
}


def _logged(record: Record, reads: Reads) -> dict[str, Any]:
    logged: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(log_line(record, reads, 0.25)))
    return logged


def test_a_decision_is_told_in_one_line() -> None:
    wanted = route("list", to=refs(legacy=80, new=20))
    record = Record("abc", 100, facts(), decide(table(wanted), wanted, facts(), 100), wanted)
    assert decision_value(record) == b"route=list backend=new reason=draw"


def test_an_error_tells_its_word() -> None:
    record = Record("abc", 0, facts(), error=NoRoute("no"))
    assert decision_value(record) == b"route=- backend=- reason=no_route"
    assert decision_value(Record("abc")) == b"route=- backend=- reason=-"


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
    reads = reads_of(table(wanted))
    assert reads == Reads(("v",), (), ("beta",), ("x-user",), ("uid",))
    request = facts("/p", headers=SECRET, query="token=s3cret")
    record = Record("abc", 1234, request, decide(table(wanted), wanted, request, 1234), wanted)
    line = _logged(record, reads)
    assert line["headers"] == {"v": ["1"]}
    assert line["cookies"]["beta"] == ["1"]
    assert line["cookies"]["uid"] != ["alice"]
    assert len(line["cookies"]["uid"][0]) == 16
    assert (line["target"], line["bucket"]) == ("/p", 12.34)
    assert "s3cret" not in json.dumps(line)
    assert "alice" not in json.dumps(line)


def test_a_line_tells_how_it_ended() -> None:
    record = Record(
        "abc", error=NoRoute("none"), status=404, complete=True, sent_bytes=9, total_s=0.5
    )
    record.first_byte_s = 0.25
    line = _logged(record, Reads())
    assert line["time"] == "1970-01-01T00:00:00.250000Z"
    assert (line["status"], line["error"], line["total_ms"], line["first_byte_ms"]) == (
        404,
        "none",
        500.0,
        250.0,
    )
    assert "method" not in line


def test_a_query_that_a_rule_reads_is_in_the_line() -> None:
    reads = reads_of(table(route(match=Match(query=(StringMatch("v", "exact", "1"),)))))
    line = _logged(Record("abc", facts=facts(query="v=1&token=x")), reads)
    assert line["query"] == {"v": ["1"]}
