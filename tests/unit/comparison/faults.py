"""Newcomers with one fault each, beside the incumbent that they replace; and what a comparison makes of each.

`python -m tests.unit.comparison.faults` prints the table of docs/parity.md.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.report import ParityReport, parity_report
from proxy.comparison.users import user_hash
from proxy.model import CompareRules, Equivalence, HeaderPairs

NOW = 1_795_950_000.0
RESPONSES = 1_000
SLOW_SHARE = 0.005
RULES = CompareRules(
    headers=("content-type", "access-control-allow-origin", "vary"),
    equal=(Equivalence("$[*].expiryDate", "instant", "epoch_ms", "iso_local", "UTC"),),
    noise_rate=0.02,
)
HEADERS: HeaderPairs = [
    (b"content-type", b"application/json"),
    (b"access-control-allow-origin", b"*"),
    (b"vary", b"Origin"),
    (b"vary", b"Access-Control-Request-Method"),
]
Row = dict[str, Any]
Rows = list[Row]


def incumbent_rows() -> Rows:
    """Three flight specials, in the order of their expiry."""
    names = [
        ("London to Prague", "Zürich"),
        ("Paris to London", "Paris"),
        ("Dubai to Cairo", "Dubai"),
    ]
    return [
        {
            "id": number,
            "header": header,
            "body": "Weekend getaway!",
            "cost": 120,
            "price": 19.99,
            "expiryDate": round(NOW * 1000) + number * 60_000,
            "origin": origin,
            "originCode": "ORG",
            "destinationCode": "DST",
        }
        for number, (header, origin) in enumerate(names, 1)
    ]  # fmt: skip


def iso(epoch_ms: int, hours: int = 0) -> str:
    instant = datetime.fromtimestamp(epoch_ms / 1000, UTC) + timedelta(hours=hours)
    return instant.replace(tzinfo=None).isoformat()


def newcomer_rows() -> Rows:
    return [{**row, "expiryDate": iso(row["expiryDate"])} for row in incumbent_rows()]


class Fault(Struct, frozen=True):
    """A newcomer with one fault. `rows` changes its list, `response` the whole response."""

    name: str
    path: str
    kind: str
    rows: Callable[[Rows], Rows] = list
    response: Callable[[Observation], Observation] = lambda response: response


def members(change: Callable[[Row], Row]) -> Callable[[Rows], Rows]:
    """A change of every row."""
    return lambda rows: [{**row, **change(row)} for row in rows]


def without(name: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{key: row[key] for key in row if key != name} for row in rows]


def _latin(response: Observation) -> Observation:
    body = response.body.decode().encode("latin-1")
    charset = (b"content-type", b"application/json; charset=iso-8859-1")
    return replace(response, body=body, headers=[charset, *response.headers[1:]])


def _zipped(response: Observation) -> Observation:
    headers = [*response.headers, (b"content-encoding", b"gzip")]
    return replace(response, body=gzip.compress(response.body, 1), headers=headers)


def _expiry(write: Callable[[int], Any]) -> Callable[[Rows], Rows]:
    expiries = {row["id"]: row["expiryDate"] for row in incumbent_rows()}
    return members(lambda row: {"expiryDate": write(expiries[row["id"]])})


def _expired(rows: Rows) -> Rows:
    expired = {**rows[0], "id": 0, "header": "Trans-Atlantic", "expiryDate": iso(0)}
    return [expired, *rows]


_CORS = "header:access-control-allow-origin"
_wrong_origin = members(lambda row: {"originCode": row["destinationCode"]})


def _with(**fields: Any) -> Callable[[Observation], Observation]:
    return lambda response: replace(response, **fields)


_LISTED: list[tuple[str, str, str, Callable[[Rows], Rows]]] = [
    ("a wrong field: `originCode` from `destinationCode`", "/*/originCode", "value", _wrong_origin),
    ("a build prefix in a text", "/*/header", "value", members(lambda row: {"header": "[42] ==> " + row["header"]})),
    ("`expiryDate` in seconds where ISO text is agreed", "/*/expiryDate", "type", _expiry(lambda ms: ms // 1000)),
    ("no `id`", "/*/id", "missing", without("id")),
    ("expired specials in the list", "/*", "extra", _expired),
    ("no order", "", "order", lambda rows: rows[1:] + rows[:1]),
    ("a missing field", "/*/body", "missing", without("body")),
    ("an extra field", "/*/build", "extra", members(lambda _: {"build": "42"})),
    ("null for an absent field", "/*/note", "extra", members(lambda _: {"note": None})),
    ("a wrong type", "/*/cost", "type", members(lambda row: {"cost": [row["cost"]]})),
    ("a number as a string", "/*/cost", "type", members(lambda row: {"cost": str(row["cost"])})),
    ("a rounding of floats", "/*/price", "value", members(lambda row: {"price": row["price"] + 4e-15})),
    ("a missing row", "/*", "missing", lambda rows: rows[:1] + rows[2:]),
    ("an extra row", "/*", "extra", lambda rows: [*rows, rows[0]]),
    ("two rows exchanged", "", "order", lambda rows: [rows[1], rows[0], rows[2]]),
    ("a wrong zone", "/*/expiryDate", "value", _expiry(lambda ms: iso(ms, hours=9))),
    ("truncated text", "/*/header", "length", members(lambda row: {"header": row["header"][:8]})),
]  # fmt: skip
FAULTS = [
    *(Fault(name, path, kind, rows) for name, path, kind, rows in _LISTED),
    Fault("an error hidden behind an empty 200", "body", "missing", response=_with(body=b"", headers=HEADERS[1:])),
    Fault("a stack page", "status", "status", response=_with(status=500, body=b"<html>java.lang", headers=[])),
    Fault("a truncated body", "body", "length", response=lambda response: replace(response, body=response.body[:-40])),
    Fault("another charset", "body", "encoding", response=_latin),
    Fault("a coding that the client does not accept", "header:content-encoding", "encoding", response=_zipped),
    Fault("a wrong status", "status", "status", response=_with(status=206)),
    Fault("a missing CORS header", _CORS, "header", response=_with(headers=[HEADERS[0], *HEADERS[2:]])),
    Fault("slow", "body", "slow", response=lambda response: replace(response, duration_s=response.duration_s + 0.3)),
    Fault("no response in time", "status", "missing", response=lambda _: Observation(failure="timeout")),
    Fault("no response", "status", "missing", response=lambda _: Observation(failure="unreachable")),
]  # fmt: skip
"""The faults of the original services that a GET can show, and those of any new service."""

CLEAN = Fault("none", "", "")


def _observed(
    rows: Rows, now: float, chance: random.Random, has_pauses: bool = True
) -> Observation:
    """A response with a live clock, a random id and a duration of its own."""
    live = [
        {**row, "quote": f"{chance.getrandbits(64):x}", "servedAt": int(now * 1000)} for row in rows
    ]
    body = json.dumps(live, ensure_ascii=False).encode()
    # Some responses take long, of both backends.
    takes_long = has_pauses and chance.random() < SLOW_SHARE
    duration_s = chance.uniform(0.2, 0.6) if takes_long else chance.uniform(0.002, 0.02)
    return Observation(200, HEADERS, body, duration_s=duration_s)


def outcomes(
    fault: Fault, number: int, seed: int = 1, replay_every: int = 50, has_pauses: bool = True
) -> Iterator[tuple[Outcome, Outcome | None]]:
    """Comparisons with the newcomer, some of them with one of the incumbent with itself."""
    comparer, chance = Comparer(RULES), random.Random(seed)
    left, right = incumbent_rows(), fault.rows(newcomer_rows())
    for at in range(number):
        now = NOW + at
        baseline = _observed(left, now, chance, has_pauses)
        later = now + chance.uniform(0.0, 0.01)
        candidate = fault.response(_observed(right, later, chance, has_pauses))
        replay = None
        if at % replay_every == 0:
            again = _observed(left, later + 0.02, chance, has_pauses)
            replay = comparer.compare(baseline, again, b"identity", is_replay=True)
        yield comparer.compare(baseline, candidate, b"identity"), replay


def report_on(fault: Fault, number: int = RESPONSES, replay_every: int = 50) -> ParityReport:
    """The report after so many mirrored requests of ten users."""
    parity = Parity()
    for at, (outcome, replay) in enumerate(outcomes(fault, number, replay_every=replay_every)):
        parity.add(outcome, NOW + at, user_hash("salt", str(at % 10)))
        if replay is not None:
            parity.add_replay(replay, NOW + at)
    return parity_report("flightspecials", RULES, parity.counts, NOW + number)


def named_by(report: ParityReport) -> list[tuple[str, str]]:
    """The places that count."""
    return [(each.path, each.kind) for each in report.differences if each.counts]


def table() -> str:
    """The table of docs/parity.md."""
    lines = [
        "| fault of the newcomer | the differences that count | share | lower bound | upper bound |",
        "| --- | --- | --- | --- | --- |",
    ]
    for fault in [*FAULTS, CLEAN]:
        report = report_on(fault)
        shown = [
            f"{f'`{path}`' if path else 'the array'}: {kind}" for path, kind in named_by(report)
        ]
        bounds = f"{report.lower_bound:.4f} | {report.upper_bound:.4f}"
        lines.append(
            f"| {fault.name} | {', '.join(shown) or 'none'} | {report.share:.4f} | {bounds} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
