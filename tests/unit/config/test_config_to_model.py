"""What a good table becomes: values of the model."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.model import (
    Allow,
    BackendRef,
    BackendTls,
    Budget,
    Cohort,
    CookieRules,
    DirectResponse,
    Fallback,
    HashKey,
    HeaderEdits,
    HealthCheck,
    Limits,
    Mirror,
    OutlierDetection,
    Redirect,
    ResponseOk,
    Retry,
    Rewrite,
    SlowStart,
    Timeouts,
    TlsFile,
    Writes,
)
from proxy.model.match import Match, PathMatch, StringMatch
from tests.make import decided, facts, table
from tests.unit.config.config_tables import (
    only_route,
    parse,
    with_backend,
    with_match,
    with_route,
)

PREFIX = "match: {path: {prefix: /a}}"


def test_references_have_short_forms() -> None:
    lone = (BackendRef("legacy"),)
    assert only_route(with_route("backend_refs: legacy")).backend_refs == lone
    assert only_route(with_route("backend_refs: [legacy]")).backend_refs == lone
    assert only_route(with_route("backend_refs: {legacy: 100}")).backend_refs == lone
    assert only_route(with_route("backend_refs: [{name: legacy}]")).backend_refs == lone
    both = (BackendRef("legacy", 8005), BackendRef("new", 1995))
    assert only_route(with_route("backend_refs: {legacy: 80.05, new: 19.95}")).backend_refs == both


def test_a_match_becomes_its_noun() -> None:
    match = only_route(
        with_match(
            'hosts: [a.b], path: {template: "/a/{id}", params: {id: "[0-9]+"}, trailing_slash: ignore}, '
            'methods: [GET], headers: {X-A: "1"}, query: {v: {prefix: b}}, '
            "cookies: {c: {present: false}, d: {regex: e}, f: {present: true}}"
        )
    ).matches[0]
    assert match == Match(
        ("a.b",),
        PathMatch("template", "/a/{id}", True, (("id", "[0-9]+"),)),
        ("GET",),
        (StringMatch("x-a", "exact", "1"),),
        (StringMatch("v", "prefix", "b"),),
        (
            StringMatch("c", "present", "false"),
            StringMatch("d", "regex", "e"),
            StringMatch("f", "present", "true"),
        ),
    )


def test_a_regex_path_becomes_its_noun() -> None:
    assert only_route(with_match('path: {regex: "/a.*"}')).matches[0].path == PathMatch(
        "regex", "/a.*"
    )


def test_edits_and_rewrites_become_their_nouns() -> None:
    (ref,) = only_route(
        with_route(
            f"{PREFIX}, backend_refs: [{{name: legacy, url_rewrite: {{path: {{replace_prefix_match: /b}}, "
            "hostname: C.d}, request: {headers: {set: {X-A: b}, add: {e: f}, remove: [G]}}}]"
        )
    ).backend_refs
    assert ref.rewrite == Rewrite("/b", None, None, "c.d")
    assert ref.request == HeaderEdits(((b"x-a", b"b"),), ((b"e", b"f"),), (b"g",))
    (ref,) = only_route(
        with_route("backend_refs: [{name: legacy, url_rewrite: {hostname: a}}]")
    ).backend_refs
    assert ref.rewrite == Rewrite(hostname="a")


def test_a_backend_may_see_what_it_is_allowed() -> None:
    (backend,) = parse(
        with_backend(
            "url: http://a, headers: {allow: [X-A]}, cookies: {remove: [Sid]}, preserve_host: true, "
            "circuit_breakers: {max_connections: 7, max_pending_requests: 0}, idle_timeout: 1m"
        )
    ).backends
    assert backend.headers == Allow(frozenset(("x-a",)))
    assert backend.cookies == CookieRules(None, frozenset(("Sid",)))
    assert backend.preserve_host
    assert (backend.max_connections, backend.max_pending_requests) == (7, 0)
    assert backend.idle_timeout_s == 60


def test_a_cohort_becomes_its_noun() -> None:
    text = with_route("backend_refs: legacy, cohort: c").replace(
        "cohorts: {",
        "cohorts: {c: {salt: s, hash_policy: [{header: X-U}, {cookie: A}, {source_ip: true}]}, "
        "g: {salt: s, hash_policy: [{cookie: A, generate: true}]}, "
        "t: {salt: s, hash_policy: [{cookie: A, generate: true, ttl: 1d}]}, ",
    )
    keys = (HashKey("header", "x-u"), HashKey("cookie", "A"), HashKey("source_ip"))
    assert only_route(text).cohort == Cohort("c", "s", keys)
    generated = only_route(text.replace("cohort: c", "cohort: g")).cohort
    assert generated == Cohort("g", "s", (HashKey("cookie", "A", True, 30 * 86_400.0),))
    kept = only_route(text.replace("cohort: c", "cohort: t")).cohort
    assert kept == Cohort("t", "s", (HashKey("cookie", "A", True, 86_400.0),))


def test_a_mirror_has_its_share() -> None:
    text = with_route("stage: shadow, backend_refs: {legacy: 100, new: 0}, mirror: {percent: 12.5}")
    assert only_route(text).mirror == Mirror(1250)


def test_timeouts_and_limits_of_a_route_are_laid_over_the_defaults() -> None:
    text = with_route("backend_refs: legacy, timeouts: {connect: 1s}, limits: {max_headers: 5}") + (
        "defaults: {timeouts: {request: 10s, backend_request: 8s}, limits: {max_body_bytes: 1KiB}}\n"
    )
    route = only_route(text)
    assert route.timeouts == Timeouts(1.0, 10.0, 8.0, 60.0)
    assert route.limits == Limits(max_headers=5, max_body_bytes=1024)


@pytest.mark.parametrize(
    ("defaults", "own", "request_s", "total_s"),
    [
        ("{}", "{}", 60.0, 3600.0),
        ("{total: 10s}", "{}", 10.0, 10.0),
        ("{total: 10s}", "{request: 30s}", 30.0, 30.0),
        ("{total: 10s}", "{request: 30s, total: 40s}", 30.0, 40.0),
        ("{request: 2h}", "{}", 7200.0, 7200.0),
        ("{request: 2h}", "{total: 5s}", 5.0, 5.0),
    ],
)
def test_the_whole_is_never_shorter_than_its_parts_and_the_route_wins(
    defaults: str, own: str, request_s: float, total_s: float
) -> None:
    route = with_route(f"backend_refs: legacy, timeouts: {own}")
    hold = only_route(f"{route}defaults: {{timeouts: {defaults}}}\n").timeouts
    assert (hold.request_s, hold.total_s) == (request_s, total_s)
    assert hold.attempt_s == hold.request_s


def test_the_bounds_of_a_body_are_those_of_the_route_or_of_the_defaults() -> None:
    text = with_route(
        "backend_refs: legacy, timeouts: {body_idle: 5s}, limits: {min_body_rate: 0B}"
    )
    route = only_route(
        f"{text}defaults: {{timeouts: {{body_idle: 1s}}, limits: {{min_body_rate: 1KiB}}}}\n"
    )
    assert route.timeouts.body_idle_s == 5.0
    assert route.limits.min_body_rate == 0
    inherits = only_route(
        f"{with_route('backend_refs: legacy')}defaults: {{limits: {{min_body_rate: 1KiB}}}}\n"
    )
    assert inherits.limits.min_body_rate == 1024
    assert inherits.timeouts.body_idle_s == 30.0


def test_tls_becomes_its_noun_and_its_files_keep_their_places() -> None:
    text = (
        "version: 1\nroutes: [{name: r, backend_refs: a}]\nbackends:\n  a:\n    url: https://a\n"
        "    tls: {ca_file: ca.pem, cert_file: c.pem,\n      key_file: /k, server_name: '[::1]'}\n"
        "  b: {url: https://b, tls: {}}\n  c: https://c\n"
    )
    table = parse(text)
    assert [backend.tls for backend in table.backends] == [
        BackendTls("ca.pem", "c.pem", "/k", "::1"),
        BackendTls(),
        None,
    ]
    assert table.tls_files == (
        TlsFile("a", "ca_file", "ca.pem", 6, 20),
        TlsFile("a", "cert_file", "c.pem", 6, 39),
        TlsFile("a", "key_file", "/k", 7, 17),
    )


@pytest.mark.parametrize(
    ("defaults", "own", "attempt_s", "field"),
    [
        ("{}", "{}", 60.0, "request: 60s"),
        ("{}", "{request: 3s}", 3.0, "request: 3s"),
        ("{request: 90s}", "{}", 90.0, "request: 90s"),
        ("{backend_request: 5s}", "{request: 90s}", 5.0, "backend_request: 5s"),
        ("{backend_request: 5s}", "{request: 3s}", 3.0, "request: 3s"),
        ("{backend_request: 5s}", "{backend_request: 8s}", 8.0, "backend_request: 8s"),
        ("{request: 4s, backend_request: 4s}", "{request: 90s}", 4.0, "backend_request: 4s"),
    ],
)
def test_an_attempt_has_the_time_of_its_request_unless_backend_request_is_written(
    defaults: str, own: str, attempt_s: float, field: str
) -> None:
    route = with_route(f"backend_refs: legacy, timeouts: {own}")
    timeouts = only_route(f"{route}defaults: {{timeouts: {defaults}}}\n").timeouts
    assert (timeouts.attempt_s, timeouts.attempt_field) == (attempt_s, field)


def test_an_attempt_has_what_is_left_of_its_request() -> None:
    timeouts = Timeouts(request_s=3.0, backend_request_s=2.0, spent_s=2.5)
    assert (timeouts.attempt_s, timeouts.attempt_field) == (0.5, "request: 3s")


def test_a_redirect_becomes_its_noun() -> None:
    text = with_route(
        f"{PREFIX}, redirect: {{scheme: https, hostname: a.b, port: 8443, replace_prefix_match: /c}}"
    )
    assert only_route(text).redirect == Redirect(302, "https", "a.b", 8443, None, "/c")


@pytest.mark.parametrize(
    ("body", "response"),
    [
        ("stage: retired", DirectResponse(410)),
        ("stage: retired, backend_refs: {legacy: 0, new: 100}", DirectResponse(410)),
        ('direct_response: {status: 501, headers: {A: "1"}, body: "x\\ty"}', DirectResponse(501, ((b"a", b"1"), (b"content-type", b"text/plain; charset=utf-8")), b"x\ty")),
        ('stage: retired, retired: {sunset: "2026-03-01", successor: /new}',
         DirectResponse(410, ((b"sunset", b"Sun, 01 Mar 2026 00:00:00 GMT"), (b"link", b'</new>; rel="successor-version"')))),
        ('stage: retired, direct_response: {status: 501}, retired: {sunset: "2026-03-01T02:30:01+02:00"}',
         DirectResponse(501, ((b"sunset", b"Sun, 01 Mar 2026 00:30:01 GMT"),))),
    ],
)  # fmt: skip
def test_a_direct_response(body: str, response: DirectResponse) -> None:
    route = only_route(with_route(body))
    assert route.direct_response == response
    assert decided(table(route), route, facts(), 0).ref is None


def test_a_route_knows_its_line() -> None:
    assert only_route(with_route("backend_refs: legacy")).line == 5


def test_a_backend_says_how_its_endpoints_are_monitored() -> None:
    text = "url: http://a, health_check: {path: /h, interval: 3s}, outlier_detection: {consecutive_gateway_failure: 2}, slow_start: {window: 9s}, healthy_panic_threshold: 30"
    (backend,) = parse(with_backend(text)).backends
    assert backend.health_check == HealthCheck("/h", 3.0)
    assert backend.outlier_detection == OutlierDetection(consecutive_gateway_failure=2)
    assert backend.slow_start == SlowStart(9.0)
    assert (backend.panic_percent, backend.is_monitored) == (30, True)


def test_a_backend_without_rules_is_not_monitored() -> None:
    (backend,) = parse(with_backend("url: http://a")).backends
    assert (backend.panic_percent, backend.is_monitored) == (50, False)


@pytest.mark.parametrize(
    ("times", "longest_s"),
    [
        ("base_ejection_time: 1s", 300.0),
        ("base_ejection_time: 10m", 600.0),
        ("base_ejection_time: 1s, max_ejection_time: 5s", 5.0),
    ],
)
def test_the_longest_ejection_is_at_least_the_first(times: str, longest_s: float) -> None:
    (backend,) = parse(with_backend(f"url: http://a, outlier_detection: {{{times}}}")).backends
    assert backend.outlier_detection is not None
    assert backend.outlier_detection.max_ejection_time_s == longest_s


def test_what_follows_failed_attempts_becomes_its_noun() -> None:
    both = "backend_refs: {legacy: 50, new: 50}"
    route = only_route(
        with_route(
            f"{both}, response_ok: {{status: [200, 204], json_type: array}}, "
            "retry: {attempts: 2, codes: [503], backoff: 1s, budget: {percent: 12.5}}, "
            "fallback: {triggers: [timeout, 502], budget: {}}, "
            "writes: {policy: dual_write, idempotency_key: Idempotency-Key}"
        )
    )
    assert route.response_ok == ResponseOk(frozenset((200, 204)), "array")
    assert route.retry == Retry(2, frozenset((503,)), 1.0, Budget(1_250))
    assert route.fallback == Fallback(frozenset(("timeout", "502")), Budget())
    assert route.writes == Writes("dual_write", "idempotency-key")
    plain = only_route(with_route(both))
    assert (plain.recovers, route.recovers) == (False, True)
    assert only_route(with_route(f"{both}, retry: {{}}")).retry == Retry()
    unlimited = only_route(with_route(f"{both}, fallback: {{triggers: [503]}}"))
    assert unlimited.fallback == Fallback(frozenset(("503",)))
    sandbox = 'stage: shadow, mirror: {}, writes: {policy: shadow_sandbox, shadow_url: "http://s"}'
    shadowed = only_route(with_route(f"backend_refs: [legacy, new], {sandbox}"))
    assert shadowed.writes == Writes("shadow_sandbox", shadow_url="http://s")
