"""The local reply for an error."""

import json

import pytest

from proxy.errors import NoRoute, RequestError, UpstreamBroke, UpstreamBusy, UpstreamTimeout
from proxy.http1.local_reply import LocalReply, problem
from proxy.model import ErrorBodies, ErrorBody, HeaderPairs
from proxy.routing.error_reply import describe, error_reply

BROKE = UpstreamBroke("backend legacy broke", "legacy")
HTML: HeaderPairs = [(b"host", b"h"), (b"accept", b"text/html"), (b"accept", b"*/*;q=0.5")]
TEXT = ErrorBody(b"text/plain", b"away")
EMPTY = ErrorBody()
FILE = ErrorBody(b"text/html", file="away.html")
OWN: ErrorBodies = (("5xx", FILE), ("502", TEXT), ("503", EMPTY))


def reply(
    error: RequestError = BROKE, own: ErrorBodies = (), headers: HeaderPairs | None = None
) -> LocalReply:
    return error_reply(error, own, {"away.html": b"<p>away"}, headers or [], "7")


def test_most_clients_get_a_problem_document() -> None:
    made = reply()
    assert made.body == problem(BROKE).body
    assert made.headers == [*problem(BROKE).headers, (b"vary", b"Accept")]


def test_a_browser_gets_a_page_that_names_no_backend() -> None:
    made = reply(headers=HTML)
    assert made.status == 502
    assert b"<code>7</code>" in made.body
    assert b"legacy" not in made.body
    assert made.headers == [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept"),
    ]


@pytest.mark.parametrize(
    ("error", "content_type", "body"),
    [
        pytest.param(BROKE, [b"text/plain"], b"away", id="its own status"),
        pytest.param(UpstreamTimeout("t"), [b"text/html"], b"<p>away", id="its class, a file"),
        pytest.param(UpstreamBusy("b"), [], b"", id="an empty body has no type"),
    ],
)
@pytest.mark.parametrize("headers", [[], HTML], ids=["script", "browser"])
def test_a_body_of_the_table_is_for_all_clients(
    error: RequestError, content_type: list[bytes], body: bytes, headers: HeaderPairs
) -> None:
    made = reply(error, OWN, headers)
    assert (made.status, made.body) == (error.status, body)
    assert [value for name, value in made.headers if name == b"content-type"] == content_type
    assert b"vary" not in dict(made.headers)
    assert (b"retry-after" in dict(made.headers)) == (error.status == 503)


def test_other_statuses_keep_their_own() -> None:
    made = reply(NoRoute("no"), OWN)
    assert json.loads(made.body)["status"] == 404


def test_a_file_that_was_not_read_is_an_empty_body() -> None:
    assert error_reply(BROKE, (("502", FILE),), {}, [], "").body == b""


def test_bodies_are_described() -> None:
    assert describe(OWN) == ("5xx: away.html, text/html", "502: 4 bytes, text/plain", "503: empty")
    assert describe(()) == ()
