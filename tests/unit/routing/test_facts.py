"""What rules may see, and whom they believe."""

import pytest

from proxy.errors import BadRequest, HeadTooLarge, MethodRefused, UriTooLong
from proxy.model import Facts, Limits, Networks
from proxy.routing.facts import check_limits, client_address, read_facts, read_host
from tests.make import facts

PROXIES = Networks(["10.0.0.0/8", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::5", True),
        ("::ffff:10.1.2.3", True),
        ("", False),
        ("unix", False),
    ],
)
def test_a_network_holds(address: str, inside: bool) -> None:
    assert (address in PROXIES) == inside
    assert (address in PROXIES) == inside, "remembered"


def test_no_network_holds_nobody() -> None:
    assert "127.0.0.1" not in Networks([])


def test_the_same_networks_are_equal() -> None:
    networks = Networks(["10.0.0.0/8"])
    assert "10.0.0.1" in networks
    assert (networks, hash(networks)) == (Networks(["10.0.0.0/8"]), hash(Networks(["10.0.0.0/8"])))
    assert networks != Networks(["10.0.0.0/9"])
    assert networks != ("10.0.0.0/8",)


def test_a_flood_of_addresses_is_not_remembered_for_ever() -> None:
    networks = Networks(["10.0.0.0/8"])
    for number in range(10_000):
        assert f"192.168.{number // 256}.{number % 256}" not in networks
    assert len(networks._cache) <= 4096


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        pytest.param("192.0.2.1", "203.0.113.9", "192.0.2.1", id="a stranger is not believed"),
        pytest.param("10.0.0.1", "203.0.113.9", "203.0.113.9", id="a trusted proxy is"),
        pytest.param("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9", id="its own word alone"),
        pytest.param("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9", id="through two of them"),
        pytest.param("10.0.0.1", "203.0.113.9:443", "203.0.113.9", id="with a port"),
        pytest.param("10.0.0.1", "[2600::1]:443", "2600::1", id="IPv6 with a port"),
        pytest.param("10.0.0.1", "2600::1", "2600::1", id="IPv6"),
        pytest.param("10.0.0.1", "::FFFF:203.0.113.9", "203.0.113.9", id="IPv4 as IPv6"),
        pytest.param("10.0.0.1", "::ffff:2600:1", "::ffff:2600:1", id="IPv6 alike"),
        pytest.param("10.0.0.1", "nonsense", "10.0.0.1", id="what is no address"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="nothing"),
        pytest.param("10.0.0.1", "10.0.0.3", "10.0.0.1", id="only proxies"),
    ],
)
def test_the_client_is(peer: str, said: str, client: str) -> None:
    headers = [(b"accept", b"x"), (b"x-forwarded-for", said.encode())]
    assert client_address(peer, headers if said else [], PROXIES) == client


@pytest.mark.parametrize(
    "host",
    [
        b"a/internal/x?",
        b"a b",
        b"a@b",
        b"a:b",
        b"[::1",
        b"a,b",
        b'a"',
        b"a:1:2",
        b"\xff",
        b"a:999999",
        b"a:65536",
    ],
)
def test_what_is_no_host_is_refused(host: bytes) -> None:
    with pytest.raises(BadRequest):
        read_host([(b"host", host)])


@pytest.mark.parametrize(
    "host", [b"a", b"a.b:80", b"a:65535", b"[::1]:8080", b"127.0.0.1", b"xn--9n2bp8q", b""]
)
def test_a_host_is_read(host: bytes) -> None:
    assert read_host([(b"accept", b"x"), (b"host", host)]) == host


def test_two_hosts_are_refused_and_none_is_empty() -> None:
    with pytest.raises(BadRequest):
        read_host([(b"host", b"a"), (b"host", b"a")])
    assert read_host([]) == b""


def test_facts_are_read() -> None:
    headers = [(b"host", b"h"), (b"x-forwarded-for", b"203.0.113.9")]
    found = read_facts("GET", b"/p?q=1", headers, "10.0.0.1", "http", PROXIES)
    assert (found.client, found.peer, found.peer_trusted) == ("203.0.113.9", "10.0.0.1", True)
    assert (found.path, found.query, found.host) == (b"/p", b"q=1", b"h")


def facts_of_target(target: bytes, *, method: str = "GET", host: bytes = b"h:81") -> Facts:
    headers = [(b"host", host)] if host else []
    return read_facts(method, target, headers, "192.0.2.1", "http", PROXIES)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_a_method_that_makes_a_tunnel_or_an_echo_is_refused(method: str) -> None:
    with pytest.raises(MethodRefused, match=f"{method} is not passed on") as refused:
        facts_of_target(b"/", method=method)
    assert refused.value.status == 501


@pytest.mark.parametrize(
    ("target", "path", "query", "has_query"),
    [
        pytest.param(b"/a", b"/a", b"", False, id="a path"),
        pytest.param(b"/a?", b"/a", b"", True, id="a query of nothing"),
        pytest.param(b"/a?b=/c?d", b"/a", b"b=/c?d", True, id="a query"),
        pytest.param(b"//x/a", b"//x/a", b"", False, id="two slashes are a path"),
        pytest.param(b"*", b"*", b"", False, id="the server as a whole"),
        pytest.param(b"http://h:81/a?b", b"/a", b"b", True, id="a whole URL"),
        pytest.param(b"HTTP://H:81/a", b"/a", b"", False, id="in another case"),
        pytest.param(b"http://h:81", b"/", b"", False, id="a URL without path"),
        pytest.param(b"http://h:81?b", b"/", b"b", True, id="nor path, but a query"),
        pytest.param(b"http://h:81//x", b"//x", b"", False, id="a URL with two slashes"),
    ],
)
def test_a_target_is_read(target: bytes, path: bytes, query: bytes, has_query: bool) -> None:
    found = facts_of_target(target)
    assert (found.path, found.query, found.has_query) == (path, query, has_query)


@pytest.mark.parametrize(
    ("target", "host", "said"),
    [
        (b"/a#b", b"h:81", "has a fragment"),
        (b"http://h:81/#", b"h:81", "has a fragment"),
        (b"http://other/a", b"h:81", "another host"),
        (b"http://h/a", b"h:81", "another host"),
        (b"http://me@h:81/a", b"h:81", "another host"),
        (b"http://h:81/a", b"", "another host"),
        (b"https://h:81/a", b"h:81", "another scheme"),
    ],
)
def test_a_target_that_names_another_place_is_refused(
    target: bytes, host: bytes, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        facts_of_target(target, host=host)


def test_a_request_within_its_limits_goes_on_and_one_beyond_does_not() -> None:
    request = facts("/abc", query="d=1", headers={"a": "12345"})  # and Host: www.example
    check_limits(request, Limits(max_header_bytes=21, max_headers=2, max_uri_bytes=7), 21)
    with pytest.raises(UriTooLong, match="longer than 6 bytes"):
        check_limits(request, Limits(max_uri_bytes=6), 21)
    with pytest.raises(HeadTooLarge, match="more than 1 header"):
        check_limits(request, Limits(max_headers=1), 21)
    with pytest.raises(HeadTooLarge, match="more than 20 bytes"):
        check_limits(request, Limits(max_header_bytes=20), 21)
