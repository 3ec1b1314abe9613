"""Tables for tests of `plan`, and a function that replays lines."""

import json

from proxy.control.replay.log_reader import LogReader
from proxy.control.replay.plan import (
    Expected,
    Plan,
    Side,
)
from proxy.model import (
    RouteTable,
)
from proxy.routing.match import Index
from tests.make import prefix, refs, route, table

OLD = table(route("list", prefix("/l"), to=refs(legacy=95, new=5), stage="canary"), route("rest"))
NEW = table(route("list", prefix("/l"), to=refs(legacy=80, new=20), stage="canary"), route("rest"))


def side(of: RouteTable, version: str = "v") -> Side:
    return Side(of, Index(of.routes), version)


def line(target: str = "/l", bucket: float | None = 10.0, **more: object) -> bytes:
    members = {"method": "GET", "host": "h", "target": target, "table": "v", **more}
    if bucket is not None:
        members["bucket"] = bucket
    return json.dumps(members).encode()


def planned(
    old: RouteTable,
    new: RouteTable,
    *lines: bytes,
    expect: list[Expected] | None = None,
    host: str = "",
) -> Plan:
    plan = Plan(side(old), side(new), expect, host)
    read_all(LogReader(plan.count), *lines)
    return plan


def read_all(reader: LogReader, *lines: bytes) -> LogReader:
    reader.begin_file("access.log")
    reader.feed(b"".join(each + b"\n" for each in lines))
    reader.end_file()
    return reader


def moves(plan: Plan) -> dict[tuple[str, str, str, str], int]:
    return {
        (move.old_route, move.new_route, move.from_, move.to): tally.requests
        for move, tally in plan.sorted_moves()
    }
