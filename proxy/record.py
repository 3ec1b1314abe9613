"""What is told of a request: the decision header, and its line in the access log.

The line holds what `plan` and `init` replay: method, host, path, and of headers, cookies and query only
what the table's rules read. Nothing else of a request is in it, so no credential is, unless a rule reads it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct

from proxy.errors import RequestError
from proxy.model import ALL_BP, Decision, Facts, Route, RouteTable
from proxy.predicates import cookie_values, header_values, query_values


class Reads(Struct, frozen=True):
    """The names that a table's rules read. Those of cohorts are logged as hashes: they name people."""

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    hashed_headers: tuple[str, ...] = ()
    hashed_cookies: tuple[str, ...] = ()


def reads_of(table: RouteTable) -> Reads:
    """What the matches and cohorts of `table` read."""
    keys = [key for route in table.routes if route.cohort for key in route.cohort.keys]
    hashed_headers = _names(key.name for key in keys if key.kind == "header")
    hashed_cookies = _names(key.name for key in keys if key.kind == "cookie")
    matches = [route.match for route in table.routes]
    return Reads(
        _names((m.name for match in matches for m in match.headers), but=hashed_headers),
        _names(m.name for match in matches for m in match.query),
        _names((m.name for match in matches for m in match.cookies), but=hashed_cookies),
        hashed_headers,
        hashed_cookies,
    )


def _names(names: Iterable[str], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(sorted(set(names) - set(but)))


class Record(Struct):
    """What is learnt of one request on its walk. Filled in as it goes: the one value here that is edited."""

    table_version: str
    draw_bp: int = 0
    facts: Facts | None = None
    decision: Decision | None = None
    route: Route | None = None
    error: RequestError | None = None
    status: int = 0
    complete: bool = False
    received_bytes: int = 0
    sent_bytes: int = 0
    first_byte_s: float | None = None
    total_s: float = 0.0


def decision_value(record: Record) -> bytes:
    """`route=NAME backend=NAME reason=WORD`; a dash where there is none."""
    decision = record.decision
    route = record.route.name if record.route is not None else "-"
    backend = (decision.backend if decision is not None else None) or "-"
    return f"route={route} backend={backend} reason={reason_of(record)}".encode()


def reason_of(record: Record) -> str:
    """Why the client got what it got: the error's word, else the decision's."""
    if record.error is not None:
        return record.error.reason
    return record.decision.reason if record.decision is not None else "-"


def log_line(record: Record, reads: Reads, now: float) -> dict[str, Any]:
    """One request as a JSON object. `now` is seconds since the epoch; durations are milliseconds."""
    facts, decision = record.facts, record.decision
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "route": record.route.name if record.route is not None else None,
        "backend": decision.backend if decision is not None else None,
        "reason": reason_of(record),
        "bucket": record.draw_bp * 100 / ALL_BP,
        "status": record.status,
        "complete": record.complete,
        "received_bytes": record.received_bytes,
        "sent_bytes": record.sent_bytes,
        "total_ms": round(record.total_s * 1000, 3),
        "table": record.table_version,
    }
    if record.first_byte_s is not None:
        line["first_byte_ms"] = round(record.first_byte_s * 1000, 3)
    if record.error is not None:
        line["error"] = str(record.error)
    if facts is not None:
        line.update(_request(facts, reads))
    return line


def _request(facts: Facts, reads: Reads) -> dict[str, Any]:
    said: dict[str, Any] = {
        "client": facts.client,
        "method": facts.method,
        "host": facts.host.decode("latin-1"),
        "target": facts.path.decode("latin-1"),
    }
    headers = {name: header_values(facts, name) for name in reads.headers}
    headers |= {name: _hashed(header_values(facts, name)) for name in reads.hashed_headers}
    cookies = {name: cookie_values(facts, name) for name in reads.cookies}
    cookies |= {name: _hashed(cookie_values(facts, name)) for name in reads.hashed_cookies}
    query = {name: query_values(facts, name) for name in reads.query}
    for kind, found in (("headers", headers), ("cookies", cookies), ("query", query)):
        present = {name: values for name, values in found.items() if values}
        if present:
            said[kind] = present
    return said


def _hashed(values: list[str]) -> list[str]:
    return [sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16] for value in values]
