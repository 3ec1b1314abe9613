"""Which header fields go on, in both directions."""

import pytest
from msgspec.structs import replace

from proxy.model import (
    ALL_COOKIES,
    ALLOW_ALL,
    Allow,
    BackendRef,
    CookieRules,
    Decision,
    Facts,
    Forwarded,
    HeaderEdits,
    HeaderPairs,
    Rewrite,
    Route,
)
from proxy.routing.transforms.facade_fields import taken_prefix
from proxy.routing.transforms.headers import (
    apply_header_edits,
    client_headers,
    request_trailers,
    sent_prefixes,
    upstream_headers,
    without_hop_by_hop,
)
from proxy.routing.transforms.trace_context import NO_CLAIMS, identify
from tests.make import backend, facts, matched, prefix, refs, route

OURS = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via"}


def passed(
    request: Facts,
    allowed: frozenset[str] = frozenset(),
    *,
    headers: Allow = ALLOW_ALL,
    cookies: CookieRules = ALL_COOKIES,
) -> HeaderPairs:
    """What goes on of the client's own fields."""
    to = backend(headers=headers, cookies=cookies)
    sent = upstream_headers(
        request, matched(route()), refs(legacy=100)[0], to, Forwarded(allow_headers=allowed)
    )
    return [pair for pair in sent if pair[0] not in OURS]


def ours(request: Facts) -> dict[bytes, bytes]:
    sent = upstream_headers(request, matched(route()), refs(legacy=100)[0], backend(), Forwarded())
    return {name: value for name, value in sent if name in OURS}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(
            {"accept": "x", "x-own": "1"}, ["accept", "x-own"], id="end-to-end fields pass"
        ),
        pytest.param(
            {"connection": "x-hop, close", "x-hop": "1", "te": "trailers", "upgrade": "h2c"},
            [],
            id="hop-by-hop fields and nominated ones do not",
        ),
        pytest.param(
            {"connection": "authorization, host", "authorization": "secret"},
            ["authorization"],
            id="a client cannot nominate Authorization away",
        ),
        pytest.param(
            {
                "forwarded": "for=evil",
                "x-forwarded-for": "evil",
                "x-forwarded-port": "1",
                "x-real-ip": "evil",
                "x-original-url": "/admin",
                "x-rewrite-url": "/admin",
                "proxy": "http://evil",
                "proxy-authorization": "x",
                "x_forwarded_for": "evil",
            },
            [],
            id="what a client may not say",
        ),
        pytest.param(
            {"host": "h", "content-length": "3", "expect": "100-continue"}, [], id="made anew"
        ),
    ],
)
def test_of_a_request_goes_on(sent: dict[str, str], kept: list[str]) -> None:
    assert [name.decode() for name, _ in passed(facts(headers=sent))] == kept


def test_the_table_can_let_a_client_field_pass() -> None:
    request = facts(headers={"x_old": "1", "x-real-ip": "2", "proxy": "3"})
    kept = passed(request, frozenset(("x_old", "x-real-ip")))
    assert kept == [(b"x_old", b"1"), (b"x-real-ip", b"2")]


def test_repeats_and_order_are_kept() -> None:
    request = replace(facts(), headers=[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert passed(request) == [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]


def test_a_backend_sees_only_what_the_table_allows() -> None:
    request = facts(
        headers={"accept": "x", "x-secret": "1", "cookie": "TB_UID=7; JSESSIONID=9; a=b"}
    )
    seen = passed(
        request,
        headers=Allow(remove=frozenset(("x-secret",))),
        cookies=CookieRules(frozenset(("TB_UID",))),
    )
    assert seen == [(b"accept", b"x"), (b"cookie", b"TB_UID=7")]
    assert passed(request, cookies=CookieRules(frozenset()))[-1][0] == b"x-secret"
    assert passed(request, headers=Allow(frozenset(("accept",)))) == [(b"accept", b"x")]


def test_cookies_are_sent_as_they_came_if_none_is_removed() -> None:
    rules = CookieRules(remove=frozenset(("gone",)))
    for sent, kept in (("a=1;b=2 ; ", "a=1;b=2 ; "), ("a=1;gone=2 ;b=3", "a=1; b=3")):
        request = facts(headers={"cookie": sent})
        assert passed(request, cookies=rules) == [(b"cookie", kept.encode())]


def test_the_backend_is_told_who_asked() -> None:
    assert ours(facts(host="www.example:8080")) == {
        b"x-forwarded-for": b"192.0.2.1",
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"www.example:8080",
        b"forwarded": b'for=192.0.2.1;proto=http;host="www.example:8080"',
        b"via": b"1.1 facade",
    }


def test_an_ipv6_client_is_quoted_and_an_unknown_one_is_said_to_be() -> None:
    assert ours(facts(client="2001:db8::1"))[b"forwarded"].startswith(b'for="[2001:db8::1]";')
    assert ours(facts(client=""))[b"x-forwarded-for"] == b"unknown"
    assert b"x-forwarded-host" not in ours(facts(host=""))


def test_a_trusted_proxy_is_believed_and_appended_to() -> None:
    said = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "shop.example",
        "forwarded": "for=203.0.113.9",
        "via": "1.1 edge",
    }
    told = ours(replace(facts(headers=said), peer_trusted=True))
    assert told[b"x-forwarded-for"] == b"203.0.113.9, 192.0.2.1"
    assert told[b"x-forwarded-proto"] == b"https"
    assert told[b"x-forwarded-host"] == b"shop.example"
    assert told[b"forwarded"].startswith(b"for=203.0.113.9, for=192.0.2.1;")
    assert told[b"via"] == b"1.1 edge, 1.1 facade"


def test_edits_remove_then_set_then_add() -> None:
    edits = HeaderEdits(((b"a", b"new"),), ((b"a", b"more"), (b"c", b"1")), (b"b",))
    assert apply_header_edits([(b"a", b"old"), (b"b", b"x")], edits) == [
        (b"a", b"new"),
        (b"a", b"more"),
        (b"c", b"1"),
    ]


def test_edits_of_the_route_come_before_those_of_the_reference() -> None:
    wanted = replace(route(), request=HeaderEdits(((b"a", b"route"),)))
    ref = replace(refs(legacy=100)[0], request=HeaderEdits(((b"a", b"ref"),)))
    sent = upstream_headers(facts(), matched(wanted), ref, backend(), Forwarded())
    assert [value for name, value in sent if name == b"a"] == [b"ref"]


ADDED = (*sorted(OURS), b"x-request-id", b"traceparent", b"x-forwarded-prefix")
PREFIXED = BackendRef("legacy", rewrite=Rewrite(prefix="/"))
AT_API = route(path=prefix("/api"))


def sent_names(to_route: Route, ref: BackendRef, headers: Allow = ALLOW_ALL) -> set[bytes]:
    """The fields of a request to which the facade adds all that it can add."""
    ids = identify(NO_CLAIMS, 1)
    to = backend(headers=headers)
    sent = upstream_headers(facts("/api/x"), matched(to_route), ref, to, Forwarded(), ids)
    return {name for name, _ in sent}


@pytest.mark.parametrize("name", ADDED)
def test_each_field_that_the_facade_adds_can_be_taken_away(name: bytes) -> None:
    assert sent_names(AT_API, PREFIXED) == {*ADDED}
    rest = {*ADDED} - {name}
    edits = HeaderEdits(remove=(name,))
    assert sent_names(replace(AT_API, request=edits), PREFIXED) == rest
    assert sent_names(AT_API, replace(PREFIXED, request=edits)) == rest
    assert sent_names(AT_API, PREFIXED, Allow(remove=frozenset((name.decode(),)))) == rest


def test_a_route_can_set_what_its_backend_removes() -> None:
    edits = HeaderEdits(((b"via", b"1.1 other"),))
    removed = Allow(remove=frozenset(("via",)))
    assert b"via" in sent_names(replace(AT_API, request=edits), PREFIXED, removed)


@pytest.mark.parametrize(
    ("before", "via"),
    [({}, []), ({"via": "1.1 cdn"}, [b"1.1 cdn"])],
)
def test_without_via_that_of_others_goes_on(before: dict[str, str], via: list[bytes]) -> None:
    sent = upstream_headers(
        facts(headers=before),
        matched(route()),
        refs(legacy=100)[0],
        backend(),
        Forwarded(via=False),
    )
    assert [value for name, value in sent if name == b"via"] == via


@pytest.mark.parametrize(
    ("of", "replacement", "taken"),
    [
        ("/api", "/", b"/api"),
        ("/api", "/svc", b"/api"),
        ("/shop/v1", "/v1", b"/shop"),
        ("/shop/v1", "/new/v1", b"/shop"),
        ("/a b/ü", "/", b"/a%20b/%C3%BC"),
        ("/v1", "/v1", b""),
        ("/v1", "/shop/v1", b""),
        ("/", "/svc", b""),
    ],
)
def test_the_part_of_the_path_that_was_taken_away_is_sent(
    of: str, replacement: str, taken: bytes
) -> None:
    ref = BackendRef("legacy", rewrite=Rewrite(prefix=replacement))
    request = facts(of, headers={"x-forwarded-prefix": "/forged"})
    to_route = route(path=prefix(of))
    sent = upstream_headers(request, matched(to_route), ref, backend(), Forwarded())
    assert [v for name, v in sent if name == b"x-forwarded-prefix"] == ([taken] if taken else [])


@pytest.mark.parametrize(
    "rewrite", [None, Rewrite(full_path="/x"), Rewrite(template="/x"), Rewrite(hostname="h")]
)
def test_other_rewrites_take_no_prefix_away(rewrite: Rewrite | None) -> None:
    ref = BackendRef("legacy", rewrite=rewrite)
    assert taken_prefix(route(path=prefix("/api")).matches[0], rewrite) == b""
    sent = upstream_headers(facts("/api/x"), matched(AT_API), ref, backend(), Forwarded())
    assert b"x-forwarded-prefix" not in dict(sent)
    assert taken_prefix(route().matches[0], Rewrite(prefix="/")) == b""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["/edge"], b"/edge, /api"),
        (["/edge", "/inner"], b"/edge, /inner, /api"),
        (["/"], b"/api"),
    ],
)
def test_a_trusted_proxys_prefix_comes_first(before: list[str], after: bytes) -> None:
    pairs = [(b"x-forwarded-prefix", each.encode()) for each in before]
    request = replace(facts("/api/x"), headers=pairs, peer_trusted=True)
    sent = upstream_headers(request, matched(AT_API), PREFIXED, backend(), Forwarded())
    assert [value for name, value in sent if name == b"x-forwarded-prefix"] == [after]


def test_of_an_answer_goes_on() -> None:
    wanted = replace(route(), response=HeaderEdits(add=((b"x-route", b"1"),)))
    ref = replace(refs(legacy=100)[0], response=HeaderEdits(remove=(b"server",)))
    answer = [
        (b"connection", b"keep-alive, x-hop"),
        (b"keep-alive", b"timeout=5"),
        (b"x-hop", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"server", b"old"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"3"),
        (b"x-facade-decision", b"forged"),
    ]
    kept = client_headers(answer, Decision(wanted, "only", ref), b"x-facade-decision")
    assert kept == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"3"),
        (b"x-route", b"1"),
    ]


def test_an_answer_of_the_facade_itself_takes_the_route_s_edits() -> None:
    wanted = replace(route(to=()), response=HeaderEdits(add=((b"x", b"1"),)))
    assert client_headers([], Decision(wanted, "redirect"), b"d") == [(b"x", b"1")]


def test_a_forwarded_field_cannot_be_nominated_away() -> None:
    pairs = [(b"connection", b"x-forwarded-for"), (b"x-forwarded-for", b"1")]
    assert without_hop_by_hop(pairs) == [(b"x-forwarded-for", b"1")]


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        (b"x-checksum", True),
        (b"digest", True),
        (b"content-length", False),
        (b"transfer-encoding", False),
        (b"host", False),
        (b"authorization", False),
        (b"cookie", False),
        (b"via", False),
        (b"connection", False),
        (b"keep-alive", False),
        (b"proxy-connection", False),
        (b"forwarded", False),
        (b"x-forwarded-for", False),
        (b"x-real-ip", False),
        (b"x_forwarded_for", False),
    ],
)
def test_a_trailer_goes_on_unless_it_meant_something_in_front_of_the_body(
    name: bytes, passes: bool
) -> None:
    sent = [(b"a", b"1"), (name, b"2"), (b"a", b"3")]
    kept = request_trailers(sent)
    assert kept == (sent if passes else [(b"a", b"1"), (b"a", b"3")])


@pytest.mark.parametrize(
    ("headers", "values"),
    [
        (ALLOW_ALL, [b"/edge, /api"]),
        (Allow(frozenset(("accept",))), [b"/api"]),
        (Allow(remove=frozenset(("x-forwarded-prefix",))), []),
    ],
)
def test_the_prefix_that_a_backend_got_is_known_without_its_head(
    headers: Allow, values: list[bytes]
) -> None:
    pairs = [(b"x-forwarded-prefix", b"/edge")]
    request = replace(facts("/api/x"), headers=pairs, peer_trusted=True)
    to = backend(headers=headers)
    sent = upstream_headers(request, matched(AT_API), PREFIXED, to, Forwarded())
    assert [value for name, value in sent if name == b"x-forwarded-prefix"] == values
    assert sent_prefixes(request, matched(AT_API), PREFIXED, to, Forwarded()) == values
