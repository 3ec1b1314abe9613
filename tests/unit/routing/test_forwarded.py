"""The two families of forwarding fields: what they report, and that what is sent never contradicts itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import HeaderPairs, Networks
from proxy.routing.facts import client_address
from proxy.routing.forwarded import Chain, read_forwarded
from proxy.routing.predicates import header_values
from proxy.routing.transforms.facade_fields import forwarding_fields
from tests.make import facts

FOR, PROTO, HOST, FORWARDED = (
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
)
PEER = "192.0.2.1"
OURS = f'for={PEER};proto=http;host="h"'


def sent(headers: dict[str, str]) -> dict[str, str]:
    """What a backend gets for the fields of a trusted peer."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = replace(facts(host="h", client=PEER), headers=pairs, peer_trusted=True)
    ours = forwarding_fields(pairs, request)
    got = {name.decode(): value.decode() for name, value in [*pairs, *ours]}
    del got["via"]
    return got


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({}, (PEER, "http", "h", OURS)),
        (
            {PROTO: "https"},
            (PEER, "https", "h", f'for={PEER};proto=https;host="h"'),
        ),
        (
            {FOR: "203.0.113.7", PROTO: "https", HOST: "shop.example"},
            (
                f"203.0.113.7, {PEER}",
                "https",
                "shop.example",
                f'for=203.0.113.7;proto=https;host="shop.example", for={PEER}',
            ),
        ),
        (
            {FOR: "203.0.113.7:51234, 2001:db8::7, [2001:db8::8]:1, b@d"},
            (
                f"203.0.113.7:51234, 2001:db8::7, [2001:db8::8]:1, b@d, {PEER}",
                "http",
                "h",
                'for="203.0.113.7:51234";proto=http;host="h", for="[2001:db8::7]", '
                f'for="[2001:db8::8]:1", for=unknown, for={PEER}',
            ),
        ),
        (
            {FORWARDED: 'For="[2001:db8::7]:47";Proto=https;host="shop.example:8443", by=_x'},
            (
                f"[2001:db8::7]:47, unknown, {PEER}",
                "https",
                "shop.example:8443",
                f'For="[2001:db8::7]:47";Proto=https;host="shop.example:8443", by=_x, for={PEER}',
            ),
        ),
        (
            {FORWARDED: "for=203.0.113.7"},
            (f"203.0.113.7, {PEER}", "http", "h", f"for=203.0.113.7, {OURS}"),
        ),
        ({FORWARDED: "for=a b"}, (PEER, "http", "h", OURS)),
        ({FORWARDED: 'for="1.1.1.1, 2.2.2.2"'}, (f"unknown, {PEER}", "http", "h", None)),
        (
            {FOR: "203.0.113.7", PROTO: "https", FORWARDED: "for=203.0.113.7"},
            (
                f"203.0.113.7, {PEER}",
                "https",
                "h",
                f'for=203.0.113.7, for={PEER};proto=https;host="h"',
            ),
        ),
        (
            {FOR: "203.0.113.7", PROTO: "https", FORWARDED: "for=6.6.6.6;proto=http"},
            (
                f"203.0.113.7, {PEER}",
                "https",
                "h",
                f'for=203.0.113.7;proto=https;host="h", for={PEER}',
            ),
        ),
        (
            {FOR: "203.0.113.7", FORWARDED: "for=203.0.113.7;proto=https"},
            (
                f"203.0.113.7, {PEER}",
                "http",
                "h",
                f'for=203.0.113.7;proto=http;host="h", for={PEER}',
            ),
        ),
        (
            {HOST: "shop.example", FORWARDED: "host=evil.example"},
            (PEER, "http", "shop.example", f'for={PEER};proto=http;host="shop.example"'),
        ),
        (
            {PROTO: "h t", HOST: '"'},
            (PEER, "h t", '"', OURS),
        ),
    ],
)
def test_the_family_that_a_trusted_peer_speaks_is_believed(
    headers: dict[str, str], seen: tuple[str, str, str, str | None]
) -> None:
    got = sent(headers)
    *x_family, forwarded = seen
    assert [got[FOR], got[PROTO], got[HOST]] == x_family
    assert forwarded in (None, got[FORWARDED])


VALUES = st.sampled_from(
    (
        "",
        "https",
        "http",
        "a.example",
        "1.2.3.4",
        "for=1.2.3.4",
        "for=9.9.9.9;proto=https",
        ";",
        "proto=http",
        "host=b",
    )
)


@given(st.dictionaries(st.sampled_from((FOR, PROTO, HOST, FORWARDED)), VALUES))
def test_the_families_never_contradict_each_other(headers: dict[str, str]) -> None:
    got = sent(headers)
    chain = read_forwarded(got[FORWARDED].encode())
    assert chain is not None
    assert chain.nodes[-1] == PEER.encode()
    if got[PROTO] in ("http", "https"):
        assert chain.proto == got[PROTO].encode()
    if got[HOST] == "a.example":
        assert chain.host == b"a.example"


@pytest.mark.parametrize(
    ("value", "chain"),
    [
        (b"", None),
        (b"for", None),
        (b"for=a;", None),
        (b"for=a,,for=b", None),
        (b'for="a', None),
        (b'for="[::1]" ; proto=https , for=b', Chain((b"::1", b"b"), b"https")),
        (rb'host="a\.b"', Chain((b"unknown",), b"", b"a.b")),
        (b'for=a;proto="h s";host="/"', Chain((b"a",))),
        (b"for=a;proto=http, for=b;proto=https", Chain((b"a", b"b"), b"http")),
    ],
)
def test_forwarded_is_read(value: bytes, chain: Chain | None) -> None:
    assert read_forwarded(value) == chain


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([(b"forwarded", b"for=203.0.113.7, for=192.0.2.9")], "203.0.113.7"),
        ([(b"forwarded", b'for="[2001:db8::7]:47"')], "2001:db8::7"),
        ([(b"forwarded", b"for=_hidden")], PEER),
        ([(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"203.0.113.7")], "203.0.113.7"),
        ([(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-proto", b"https")], PEER),
    ],
)
def test_the_client_is_read_from_the_family_that_is_believed(
    headers: HeaderPairs, client: str
) -> None:
    assert client_address(PEER, headers, Networks(("192.0.2.0/24",))) == client


@pytest.mark.parametrize(
    ("trusted", "name", "values"),
    [
        (False, PROTO, ["http"]),
        (True, PROTO, ["https"]),
        (False, FOR, [PEER]),
        (True, FOR, [f"6.6.6.6, {PEER}"]),
        (False, "x-forwarded-port", []),
        (True, "x-forwarded-port", ["1"]),
        (False, "x-other", ["1"]),
    ],
)
def test_a_match_sees_the_forwarding_fields_that_pass(
    trusted: bool, name: str, values: list[str]
) -> None:
    written = {FOR: "6.6.6.6", PROTO: "https", "x-forwarded-port": "1", "x-other": "1"}
    request = replace(facts(headers=written, client=PEER), peer_trusted=trusted)
    assert header_values(request, name) == values
