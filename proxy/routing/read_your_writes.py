"""Reads that follow a write go to the backend of the write. Pure, and without state of the facade.

A cookie of the cohort holds the time and the backend of the client's last write: `TIME.BACKEND`, in milliseconds since
the epoch, or `TIME.SIGNATURE.BACKEND` if the table names a key. What is no valid cookie is ignored.
"""

from proxy.model import (
    SAFE_METHODS,
    Cohort,
    Decision,
    Facts,
    Moment,
    ReadYourWrites,
    Route,
    RouteTable,
)
from proxy.routing.cohort import facade_cookie
from proxy.routing.predicates import cookie_values
from proxy.routing.signatures import is_signature, signature

_PURPOSE = "read_your_writes"
# Bounds of what a stranger can make the facade compute.
_MAX_VALUES = 4
_MAX_LENGTH = 512
_MAX_DIGITS = 15


def last_written(table: RouteTable, route: Route, facts: Facts, moment: Moment) -> int | None:
    """The index of the reference that the client wrote to within `ttl`.

    None for a write, under the kill switch, and for a backend with weight 0: no cookie brings a client there.
    """
    cohort = route.cohort
    rule = None if cohort is None else cohort.read_your_writes
    if cohort is None or rule is None or table.kill_switch or facts.method not in SAFE_METHODS:
        return None
    backends = [ref.backend if ref.weight_bp else None for ref in route.backend_refs]
    known = moment.known.last_write
    if known is not None:
        return backends.index(known) if known in backends else None
    for value in cookie_values(facts, cookie_name(cohort.name))[:_MAX_VALUES]:
        backend = _backend(table, cohort, rule, value[:_MAX_LENGTH], moment.now_s)
        if backend in backends and backend is not None:
            return backends.index(backend)
    return None


def cookie_name(cohort: str) -> str:
    """The cookie of the last write in a cohort, by the cohort's name."""
    return f"facade_writes_{cohort}"


def write_cookie(table: RouteTable, decision: Decision, facts: Facts, now_s: float) -> bytes | None:
    """The value of Set-Cookie for a response to a write, if the route's cohort wants it."""
    cohort, backend = decision.route.cohort, decision.backend
    rule = None if cohort is None else cohort.read_your_writes
    if cohort is None or rule is None or backend is None or facts.method in SAFE_METHODS:
        return None
    value = str(int(now_s * 1000))
    if rule.key_file is not None:
        key = table.keys.get(rule.key_file)
        if key is None:
            return None
        value = f"{value}.{signature(key, _PURPOSE, cohort.name, value, backend)}"
    name = cookie_name(cohort.name)
    return facade_cookie(name, f"{value}.{backend}".encode(), rule.ttl_s, facts)


def _backend(
    table: RouteTable, cohort: Cohort, rule: ReadYourWrites, value: str, now_s: float
) -> str | None:
    """The backend of a cookie that is valid now."""
    written, _, backend = value.partition(".")
    if not (written.isascii() and written.isdigit()) or len(written) > _MAX_DIGITS:
        return None
    # Both ways: the clocks of two replicas may differ, and no cookie is valid for longer than that.
    if abs(now_s - int(written) / 1000) >= rule.ttl_s:
        return None
    if rule.key_file is None:
        return backend
    key = table.keys.get(rule.key_file)
    candidate, _, backend = backend.partition(".")
    if key is None or not is_signature(candidate, key, _PURPOSE, cohort.name, written, backend):
        return None
    return backend
