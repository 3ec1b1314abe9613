"""Tables for tests of `plan`, and a function that replays lines."""

import json

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
    old: RouteTable, new: RouteTable, *lines: bytes, expect: list[Expected] | None = None
) -> Plan:
    plan = Plan(side(old), side(new), expect)
    for each in lines:
        plan.feed(each)
    return plan


def moves(plan: Plan) -> dict[tuple[str, str, str, str], int]:
    return {
        (move.old_route, move.new_route, move.from_, move.to): tally.requests
        for move, tally in plan.sorted_moves()
    }
