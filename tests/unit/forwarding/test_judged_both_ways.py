"""Routes with `retry`, `fallback` or `response_ok`: both ways do the same, and a good response goes the quick way."""

import gc
from collections.abc import Iterator

import pytest

from proxy.model import BackendHealth, Breaker, Health
from tests.unit.forwarding.both_ways import FIELDS, GET, OTHER, Pair
from tests.unit.forwarding.test_quick_and_general import RESPONSES

TABLE = """
version: 1
defaults: {explain: {expose_to: [192.0.2.0/24]}}
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
cohorts: {people: {salt: s, hash_policy: [{cookie: uid}]}}
routes:
- name: array
  match: {path: {prefix: /array}}
  stage: live
  response_ok: {json_type: array}
  fallback: {triggers: [not_ok, timeout]}
  backend_refs: [legacy, new]
- name: status
  match: {path: {prefix: /status}}
  response_ok: {status: [200, 204, 500]}
  fallback: {triggers: [not_ok, 500]}
  backend_refs: {legacy: 50, new: 50}
- name: retried
  match: {path: {prefix: /retried}}
  retry: {attempts: 2, codes: [500]}
  backend_refs: legacy
- name: cohort
  match: {path: {prefix: /cohort}}
  stage: canary
  cohort: people
  fallback: {triggers: [connect_failure, circuit_open, 502, 500]}
  writes: {policy: dual_write, idempotency_key: x-key}
  response: {headers: {set: {x-by: facade}}}
  backend_refs: {legacy: 50, new: 50}
- {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
"""
PATHS = (b"/array", b"/status", b"/cohort", b"/plain")
RETRIED = b"/retried"
"""Not with failures: a retry has a pause."""
LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
JUDGED = (
    LIST,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]",
    b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
)


@pytest.fixture(scope="module")
def judged() -> Iterator[Pair]:
    pair = Pair(TABLE, OTHER)
    yield pair
    pair.close()


@pytest.mark.parametrize("response", [*RESPONSES, *JUDGED])
def test_both_ways_judge_the_same_responses(judged: Pair, response: bytes) -> None:
    for path in PATHS:
        for draw_bp in (0, 9_999):
            get = GET % path
            judged.send(get, response=response, draw_bp=draw_bp)
            judged.send(get.replace(b"HTTP/1.1", b"HTTP/1.0"), response=response, draw_bp=draw_bp)
            judged.send(get.replace(b"GET", b"HEAD"), response=response, draw_bp=draw_bp)
            judged.send(get, get, response=response, draw_bp=draw_bp)
            for more in (b"", b"\r\nX-Key: 7"):
                write = b"POST %b HTTP/1.1\r\n%b%b\r\nContent-Length: 1\r\n\r\nx"
                judged.send(write % (path, FIELDS, more), response=response, draw_bp=draw_bp)


@pytest.mark.parametrize("path", [*PATHS, RETRIED])
def test_a_good_response_goes_the_quick_way(judged: Pair, path: bytes) -> None:
    before = judged.quick.counters.usual
    seen = judged.send(*[GET % path] * 3, response=LIST)
    assert judged.quick.counters.usual == before + 3
    assert [line.get("response_ok") for line in seen.lines] == (
        [True] * 3 if path in (b"/array", b"/status") else [None] * 3
    )


def test_a_failure_leads_to_the_steps_of_the_general_way(judged: Pair) -> None:
    seen = judged.send(GET % b"/array", response=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert [name for name, _ in seen.requests] == ["new", "legacy"]
    (line,) = seen.lines
    assert (line["reason"], line["first_backend"]) == ("fallback:not_ok", "new")
    seen = judged.send(GET % b"/status", response=b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert [name for name, _ in seen.requests] == ["new", "legacy"]


@pytest.mark.parametrize("breaker", ["open", "half_open"])
def test_a_request_goes_the_general_way_while_the_breaker_is_not_closed(breaker: Breaker) -> None:
    pair = Pair(TABLE, OTHER)
    for side in (pair.quick, pair.general):
        side.forwarder.health.current = Health({"new": BackendHealth(breaker)})
    before = pair.quick.counters.usual
    pair.send(GET % b"/array", response=LIST)
    assert pair.quick.counters.usual == before
    pair.close()


def test_the_load_of_a_route_ends_with_its_requests(judged: Pair) -> None:
    for response in (LIST, *JUDGED, *RESPONSES[-4:]):
        judged.send(GET % b"/array", response=response)
        judged.send((GET % b"/array").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert judged.quick.forwarder.loads.of("array").active == 1  # The next request alone.


def test_a_judged_request_leaves_nothing_for_the_collector(judged: Pair) -> None:
    """A cycle would wake it between requests (ADR 8)."""
    judged.send(GET % b"/array", response=LIST)
    gc.collect()
    gc.disable()
    try:
        for path in PATHS:
            for response in (LIST, JUDGED[3]):
                judged.send(GET % path, response=response)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if type(each).__module__.startswith("proxy.forwarding")]
        gc.garbage.clear()
    finally:
        gc.set_debug(0)
        gc.enable()
    assert left == []
