"""The CORS policy of a route: allowed origins, the fields of responses, and the route of a preflight."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import Cors, Facts, HeaderPairs, Moment, Route
from proxy.model.match import Match
from proxy.routing.decide import decide
from proxy.routing.match import Index
from proxy.routing.resolve import resolve
from proxy.routing.transforms.cors import (
    allowed_origin,
    describe,
    is_answered,
    requested_method,
    with_cors,
)
from tests.make import facts, prefix, refs, route, table

SHOP = "https://shop.example"
POLICY = Cors((SHOP, "https://*.example.com:8443"), ("GET", "PUT"), ("x-a", "x-b"), ("etag",), 600)
ANY = Cors(("*",), ("*",), ("*",), ("*",))


def with_policy(cors: Cors | None = POLICY) -> Route:
    return replace(route("shop", prefix("/shop")), cors=cors)


def request(*headers: tuple[str, str], method: str = "GET") -> Facts:
    return facts("/shop", method=method, headers=dict(headers))


def preflight(method: str = "PUT", origin: str = SHOP, *headers: tuple[str, str]) -> Facts:
    fields = (("origin", origin), ("access-control-request-method", method), *headers)
    return request(*fields, method="OPTIONS")


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "HTTPS://A.example", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "https://a.example.evil", False),
        ("https://a.example", "null", False),
        ("https://*.a.example", "https://b.a.example", True),
        ("https://*.a.example", "https://c.b.a.example", True),
        ("https://*.a.example", "https://a.example", False),
        ("https://*.a.example", "https://.a.example", False),
        ("https://*.a.example", "https://eviLa.example", False),
        ("https://*.a.example", "https://b.a.example:1", False),
        ("https://*.a.example", "http://b.a.example", False),
        ("https://*.a.example", "https://evil.example/.a.example", False),
        ("https://*.a.example", "https://evil.example#.a.example", False),
        ("https://*.a.example", "https://u@b.a.example", False),
        ("https://*.a.example", "https://evil:1.a.example", False),
        ("https://*.a.example", "https://é.a.example", False),
        ("https://*.a.example:8443", "https://b.a.example:8443", True),
        ("https://[::1]:3000", "https://[::1]:3000", True),
        ("chrome-extension://abc", "chrome-extension://abc", True),
    ],
)  # fmt: skip
def test_an_origin_is_allowed_as_it_was_sent(pattern: str, origin: str, allowed: bool) -> None:
    cors = Cors((pattern,), ("GET",))
    expected = origin.encode() if allowed else None
    assert allowed_origin(cors, request(("origin", origin))) == expected


def test_two_origins_are_none() -> None:
    twice = replace(request(), headers=[(b"origin", SHOP.encode())] * 2)
    assert allowed_origin(POLICY, twice) is None
    assert allowed_origin(POLICY, request()) is None
    assert allowed_origin(ANY, request()) == b"*"


BACKENDS: HeaderPairs = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-whatever", b"1"),
    (b"x", b"1"),
]


@pytest.mark.parametrize(
    ("cors", "origin", "expected"),
    [
        pytest.param(
            POLICY,
            SHOP,
            [
                (b"x", b"1"),
                (b"vary", b"Origin"),
                (b"access-control-allow-origin", SHOP.encode()),
                (b"access-control-expose-headers", b"etag"),
            ],
            id="an allowed origin",
        ),
        pytest.param(POLICY, "https://evil", [(b"x", b"1"), (b"vary", b"Origin")], id="another"),
        pytest.param(
            Cors((SHOP,), ("GET",), credentials=True),
            SHOP,
            [
                (b"x", b"1"),
                (b"vary", b"Origin"),
                (b"access-control-allow-origin", SHOP.encode()),
                (b"access-control-allow-credentials", b"true"),
            ],
            id="with credentials",
        ),
        pytest.param(
            ANY,
            SHOP,
            [
                (b"x", b"1"),
                (b"access-control-allow-origin", b"*"),
                (b"access-control-expose-headers", b"*"),
            ],
            id="all origins, the same for each",
        ),
        pytest.param(None, SHOP, BACKENDS, id="no policy: those of the backend"),
    ],
)
def test_the_fields_of_the_policy_replace_all_others(
    cors: Cors | None, origin: str, expected: HeaderPairs
) -> None:
    assert with_cors(list(BACKENDS), with_policy(cors), request(("origin", origin))) == expected


def test_a_response_without_route_or_facts_has_no_policy() -> None:
    assert with_cors(BACKENDS, None, request()) == BACKENDS
    assert with_cors(BACKENDS, with_policy(), None) == BACKENDS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [b"Origin"]),
        ([b""], [b"Origin"]),
        ([b"Accept-Encoding"], [b"Accept-Encoding, Origin"]),
        ([b"Accept", b"Cookie"], [b"Accept, Origin", b"Cookie"]),
        ([b"Accept, ORIGIN"], [b"Accept, ORIGIN"]),
        ([b"Accept", b"origin"], [b"Accept", b"origin"]),
        ([b"*"], [b"*"]),
    ],
)
def test_origin_is_added_to_vary_once(before: list[bytes], after: list[bytes]) -> None:
    headers = [(b"vary", value) for value in before]
    for origin in (SHOP, "https://evil"):
        kept = with_cors(headers, with_policy(), request(("origin", origin)))
        assert [value for name, value in kept if name == b"vary"] == after


@pytest.mark.parametrize(
    ("cors", "expected"),
    [
        (
            POLICY,
            {
                b"vary": b"Origin",
                b"access-control-allow-origin": SHOP.encode(),
                b"access-control-allow-methods": b"GET, PUT",
                b"access-control-allow-headers": b"x-a, x-b",
                b"access-control-max-age": b"600",
            },
        ),
        (
            Cors(("*",), ("GET",)),
            {b"access-control-allow-origin": b"*", b"access-control-allow-methods": b"GET"},
        ),
    ],
)
def test_the_response_to_a_preflight_has_the_permissions(
    cors: Cors, expected: dict[bytes, bytes]
) -> None:
    assert dict(with_cors([], with_policy(cors), preflight())) == expected


@pytest.mark.parametrize(
    ("asked", "method"),
    [
        (preflight("PUT"), "PUT"),
        (request(("origin", SHOP), ("access-control-request-method", "PUT")), None),
        (request(("origin", SHOP), method="OPTIONS"), None),
        (request(("access-control-request-method", "PUT"), method="OPTIONS"), None),
        (preflight("P T"), None),
        (preflight(""), None),
        (replace(preflight(), headers=preflight().headers * 2), None),
    ],
)
def test_a_preflight_has_an_origin_and_a_method(asked: Facts, method: str | None) -> None:
    assert requested_method(asked) == method


GETS = Route(
    "gets", (Match(path=prefix("/shop"), methods=("GET",)),), refs(legacy=100), cors=POLICY
)
PUTS = Route("puts", (Match(path=prefix("/shop"), methods=("PUT",)),), refs(new=100))
FORWARDS = Route(
    "forwards",
    (Match(path=prefix("/shop"), methods=("PATCH",)),),
    refs(legacy=40, new=60),
    cors=replace(POLICY, forward=True),
)
REST = route("rest")
TABLE = table(GETS, PUTS, FORWARDS, REST)


@pytest.mark.parametrize(
    ("asked", "taker", "reason"),
    [
        pytest.param(preflight("GET"), GETS, "preflight", id="the route of GET"),
        pytest.param(preflight("PUT"), REST, "only", id="the route of PUT has no policy"),
        pytest.param(preflight("PATCH"), FORWARDS, "draw", id="passed on"),
        pytest.param(preflight("POST"), REST, "only", id="no such route"),
        pytest.param(request(method="OPTIONS"), REST, "only", id="OPTIONS without Origin"),
    ],
)
def test_a_preflight_belongs_to_the_route_of_its_method(
    asked: Facts, taker: Route, reason: str
) -> None:
    resolution = resolve(Index(TABLE.routes), asked)
    assert resolution.route is taker
    assert resolution.matched is not None
    assert decide(TABLE, resolution.matched, asked, Moment()).reason == reason
    assert is_answered(taker, asked) == (reason == "preflight")


def test_a_preflight_with_a_path_that_is_ambiguous_for_its_method_is_resolved_as_options() -> None:
    only_get = table(GETS, route("odd", match=Match(path=prefix("/shop%2Fx"), methods=("GET",))))
    asked = replace(preflight("GET"), path=b"/x/%2e%2e/shop")
    assert resolve(Index(only_get.routes), asked).route is None


ORIGINS = f"{SHOP}, https://*.example.com:8443"


@pytest.mark.parametrize(
    ("cors", "asked", "text"),
    [
        (None, request(), ""),
        (POLICY, request(), f"pages of {ORIGINS} may read the response; this request has no Origin"),
        (POLICY, request(("origin", SHOP)), f"allowed for {SHOP}"),
        (POLICY, request(("origin", "http://x")), f"refused by the browser, because the origin http://x is none of {ORIGINS}"),
        (POLICY, preflight("PUT"), f"the preflight of PUT, on the route of PUT, answered by the facade: allowed for {SHOP}"),
        (replace(POLICY, forward=True), preflight("GET"), f"the preflight of GET, on the route of GET, passed on to the backend: allowed for {SHOP}"),
        (POLICY, preflight("DELETE"), "the preflight of DELETE, on the route of DELETE, answered by the facade: refused by the browser, because DELETE is not in allow_methods"),
        (POLICY, preflight("PUT", SHOP, ("access-control-request-headers", "x-a,, X-C")), "the preflight of PUT, on the route of PUT, answered by the facade: refused by the browser, because x-c is not in allow_headers"),
        (ANY, preflight("PUT", SHOP, ("access-control-request-headers", "x-c")), f"the preflight of PUT, on the route of PUT, answered by the facade: allowed for {SHOP}"),
        (ANY, preflight("PUT", SHOP, ("access-control-request-headers", "authorization")), "the preflight of PUT, on the route of PUT, answered by the facade: refused by the browser, because authorization is not in allow_headers"),
    ],
)  # fmt: skip
def test_the_policy_in_words(cors: Cors | None, asked: Facts, text: str) -> None:
    assert describe(with_policy(cors), asked) == text


@given(st.binary(max_size=40), st.sampled_from([POLICY, ANY]), st.booleans())
def test_no_origin_breaks_out_of_its_field(origin: bytes, cors: Cors, options: bool) -> None:
    method = "OPTIONS" if options else "GET"
    fields = [(b"origin", origin), (b"access-control-request-method", origin)]
    asked = replace(request(method=method), headers=fields)
    for name, value in with_cors([], with_policy(cors), asked):
        assert not {*value} & {*b"\r\n\0"}
        assert value.isascii()
        assert name == name.lower()
