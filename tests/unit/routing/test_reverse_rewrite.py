"""Answers are mapped back through a rewrite by themselves (rule 4)."""

import pytest
from msgspec.structs import replace

from proxy.model import ALL_BP, NO_EDITS, BackendRef, Forwarded, HeaderEdits, Rewrite
from proxy.model.match import PathMatch
from proxy.routing.transforms.reverse_rewrite import mapped_back
from tests.make import backend, decided, facts, prefix, route, table, template

API = prefix("/api")
SVC = Rewrite(prefix="/svc")


def back(
    name: str,
    value: str,
    rewrite: Rewrite | None = SVC,
    path: PathMatch = API,
    client_host: str = "shop.example",
    preserve_host: bool = True,
    edits: HeaderEdits = NO_EDITS,
    edge: str = "",
) -> str:
    """What the client gets of one field of an answer by the backend at 127.0.0.1:8081."""
    ref = BackendRef("legacy", ALL_BP, rewrite)
    wanted = replace(route(path=path, to=(ref,)), request=edits)
    request = facts("/api/x", host=client_host)
    if edge:
        headers = [(b"x-forwarded-prefix", edge.encode())]
        request = replace(request, headers=headers, peer_trusted=True)
    decision = decided(table(wanted), wanted, request, 0)
    headers = [(b"x", b"/svc/1"), (name.encode(), value.encode())]
    of = replace(backend(port=8081), preserve_host=preserve_host)
    kept = mapped_back(headers, decision, of, request, Forwarded())
    assert kept[0] == (b"x", b"/svc/1"), "other fields are not touched"
    return kept[1][1].decode()


@pytest.mark.parametrize("name", ["location", "content-location"])
@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("/svc/7", "/api/7"),
        ("/svc", "/api"),
        ("/svc?q=1", "/api?q=1"),
        ("/svcx/7", "/svcx/7"),
        ("/other", "/other"),
        ("7", "7"),
        ("//svc/7", "//svc/7"),
        ("http://127.0.0.1:8081/svc/7?q#f", "/api/7?q#f"),
        ("http://127.0.0.1:8081", "/"),
        ("https://elsewhere.example/svc/7", "https://elsewhere.example/svc/7"),
        ("mailto:a@b.example", "mailto:a@b.example"),
    ],
)
def test_an_address_is_mapped_back(name: str, said: str, known: str) -> None:
    assert back(name, said) == known


def test_the_root_is_mapped_both_ways() -> None:
    assert back("location", "/x", Rewrite(prefix="/")) == "/api/x"
    assert back("location", "/svc/x", SVC, prefix("/")) == "/x"
    assert back("location", "/svc", SVC, prefix("/")) == "/"


def test_links_are_mapped_one_by_one() -> None:
    said = '</svc/2>; rel="next", <https://e.example/svc>; rel="a", </svc/9>; rel="last"'
    known = '</api/2>; rel="next", <https://e.example/svc>; rel="a", </api/9>; rel="last"'
    assert back("link", said) == known


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("a=/svc; Path=/svc; HttpOnly", "a=/svc; Path=/api; HttpOnly"),
        ("a=1; path = /svc/x ;Secure", "a=1; path = /api/x;Secure"),
        ("a=1; Path=/", "a=1; Path=/"),
        ("a=1; Domain=127.0.0.1; Path=/svc", "a=1; Path=/api"),
        ("a=1; Domain=shop.example", "a=1; Domain=shop.example"),
    ],
)
def test_a_cookie_is_mapped_back(said: str, known: str) -> None:
    assert back("set-cookie", said) == known


def test_a_rewritten_host_is_not_shown() -> None:
    rewrite = Rewrite(hostname="svc.internal")
    assert back("location", "http://svc.internal/svc/7", rewrite) == "/svc/7"
    assert back("set-cookie", "a=1; Domain=.svc.internal", rewrite) == "a=1"


@pytest.mark.parametrize("name", ["location", "content-location"])
@pytest.mark.parametrize(
    ("preserve_host", "hostname", "said", "known"),
    [
        (True, None, "http://shop.example/svc/7?q", "http://shop.example/api/7?q"),
        (True, None, "HTTPS://Shop.example/svc", "HTTPS://Shop.example/api"),
        (True, None, "http://shop.example", "http://shop.example"),
        (True, None, "http://shop.example/other", "http://shop.example/other"),
        (True, None, "http://shop.example:81/svc/7", "http://shop.example:81/svc/7"),
        (False, None, "http://shop.example/svc/7", "http://shop.example/svc/7"),
        (True, "inner.example", "http://shop.example/svc/7", "http://shop.example/svc/7"),
    ],
)
def test_an_address_with_the_hosts_that_the_backend_got_is_mapped_back(
    name: str, preserve_host: bool, hostname: str | None, said: str, known: str
) -> None:
    rewrite = Rewrite(prefix="/svc", hostname=hostname)
    assert back(name, said, rewrite, preserve_host=preserve_host) == known


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("0; url=/svc/7", "0; url=/api/7"),
        ('5;URL="http://127.0.0.1:8081/svc/7"', '5;URL="/api/7"'),
        ("1.5, 'http://shop.example/svc'", "1.5, 'http://shop.example/api'"),
        ("5", "5"),
        ("0; url=https://e.example/svc", "0; url=https://e.example/svc"),
    ],
)
def test_a_refresh_is_mapped_back(said: str, known: str) -> None:
    assert back("refresh", said) == known


def test_the_host_that_the_client_asked_for_stays() -> None:
    said = "http://127.0.0.1:8081/travelbuddy/"
    assert back("location", said, None, client_host="127.0.0.1:8081") == said
    assert back("location", said, None) == "/travelbuddy/"


@pytest.mark.parametrize("rewrite", [None, Rewrite(full_path="/svc"), Rewrite(template="/svc/x/y")])
def test_what_cannot_be_inverted_is_passed_on(rewrite: Rewrite | None) -> None:
    assert back("location", "/svc/7", rewrite, template("/api/{id}")) == "/svc/7"


@pytest.mark.parametrize("preserve_host", [True, False])
@pytest.mark.parametrize(
    ("trusted", "known"),
    [(True, "https://shop.example/api/7"), (False, "https://shop.example/svc/7")],
)
def test_an_address_with_the_host_that_a_trusted_proxy_reports_is_mapped_back(
    preserve_host: bool, trusted: bool, known: str
) -> None:
    wanted = route(path=API, to=(BackendRef("legacy", ALL_BP, SVC),))
    reported = {"x-forwarded-host": "Shop.example"}
    request = replace(facts("/api/x", host="edge", headers=reported), peer_trusted=trusted)
    decision = decided(table(wanted), wanted, request, 0)
    headers = [(b"location", b"https://shop.example/svc/7")]
    of = replace(backend(port=8081), preserve_host=preserve_host)
    assert mapped_back(headers, decision, of, request, Forwarded())[0][1].decode() == known


ROOT = Rewrite(prefix="/")
REMOVED = HeaderEdits(remove=(b"x-forwarded-prefix",))


@pytest.mark.parametrize(
    ("said", "rewrite", "edge", "edits", "known"),
    [
        pytest.param("/x", ROOT, "", NO_EDITS, "/api/x", id="an inner path"),
        pytest.param("/api/x", ROOT, "", NO_EDITS, "/api/x", id="an outer path"),
        pytest.param("/api", ROOT, "", NO_EDITS, "/api", id="the prefix itself"),
        pytest.param("/apix", ROOT, "", NO_EDITS, "/api/apix", id="another segment"),
        pytest.param("/api/x", SVC, "", NO_EDITS, "/api/x", id="an outer path, prefix replaced"),
        pytest.param("/edge/api/x", ROOT, "/edge", NO_EDITS, "/edge/api/x", id="two proxies"),
        pytest.param("/edge/x", ROOT, "/edge", NO_EDITS, "/api/edge/x", id="below the first only"),
        pytest.param("/api/x", ROOT, "", REMOVED, "/api/api/x", id="the backend was not told"),
        pytest.param(
            "/pub/x", ROOT, "", HeaderEdits(((b"x-forwarded-prefix", b"/pub"),)), "/pub/x", id="set"
        ),
    ],
)
def test_a_backend_that_obeys_its_prefix_is_not_prefixed_again(
    said: str, rewrite: Rewrite, edge: str, edits: HeaderEdits, known: str
) -> None:
    assert back("location", said, rewrite, edge=edge, edits=edits) == known
    cookie = back("set-cookie", f"a=1; Path={said}", rewrite, edge=edge, edits=edits)
    assert cookie == f"a=1; Path={known}"


@pytest.mark.parametrize("name", ["location", "content-location"])
@pytest.mark.parametrize(
    ("said", "rewrite", "path"),
    [
        ("http://127.0.0.1:8081//evil.example/x", None, API),
        ("http://127.0.0.1:8081//evil.example/x", ROOT, prefix("/")),
        ("/svc//evil.example/x", SVC, prefix("/")),
    ],
)
def test_no_path_of_the_backend_becomes_another_host(
    name: str, said: str, rewrite: Rewrite | None, path: PathMatch
) -> None:
    assert back(name, said, rewrite, path) == "/evil.example/x"
