"""What commands with `--live` send to an admin listener, and what they make of each response and failure.

respx stands in for the listener: failures that no socket brings about when a test wants it.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import respx

from proxy.errors import FacadeError
from tests.integration.commands import facade

LIVE = "http://admin.example:9901"
TOKEN = "0123456789abcdef"
TIMEOUTS = [httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout]
FAILURES = [
    httpx.ConnectError,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.LocalProtocolError,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.DecodingError,
    httpx.TooManyRedirects,
]

pytestmark = pytest.mark.usefixtures("in_folder")


@pytest.fixture
def listener() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=LIVE, assert_all_called=False) as router:
        yield router


def refusal(*words: str) -> str:
    """The sentence with which a command ends."""
    with pytest.raises(FacadeError) as raised:
        facade(*words, f"--live={LIVE}")
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.isprintable()
    return sentence


def test_routes_sends_one_request_without_a_token(listener: respx.MockRouter) -> None:
    route = listener.get("/routes").respond(500)
    refusal("routes")
    assert route.call_count == 1
    assert "authorization" not in route.calls.last.request.headers


def test_the_token_of_the_file_is_sent_as_a_bearer_token(
    listener: respx.MockRouter, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    route = listener.get("/routes", headers={"authorization": f"Bearer {TOKEN}"}).respond(500)
    refusal("routes", "--admin-token-file", "token")
    assert route.call_count == 1


def test_explain_sends_the_whole_request_as_parameters(listener: respx.MockRouter) -> None:
    route = listener.get("/explain").respond(500)
    refusal("explain", "GET", "/list?a=b c&d=%2F", "-H", "x-a: ü", "-H", "x-a: 2")
    sent = route.calls.last.request.url.params
    assert sent["method"] == "GET"
    assert sent["url"] == "/list?a=b c&d=%2F"
    assert sent.get_list("header") == ["x-a: ü", "x-a: 2"]


@pytest.mark.parametrize("error", FAILURES, ids=lambda kind: kind.__name__)
def test_a_failure_is_one_sentence_that_says_what_to_start(
    listener: respx.MockRouter, error: type[httpx.HTTPError]
) -> None:
    listener.get("/routes").mock(side_effect=error("boom \x1b[2J"))
    sentence = refusal("routes")
    assert sentence.startswith(f"facade: no facade answers at {LIVE}: boom \\x1b[2J: start one")


def test_a_failure_without_a_text_is_named_by_its_kind(listener: respx.MockRouter) -> None:
    listener.get("/routes").mock(side_effect=httpx.ReadError(""))
    assert f"no facade answers at {LIVE}: ReadError: " in refusal("routes")


@pytest.mark.parametrize("error", TIMEOUTS, ids=lambda kind: kind.__name__)
def test_a_timeout_is_one_sentence_with_the_bound(
    listener: respx.MockRouter, error: type[httpx.TimeoutException]
) -> None:
    listener.get("/routes").mock(side_effect=error("boom"))
    assert f"nothing answers at {LIVE} within 10 s" in refusal("routes")


def test_every_error_of_httpx_is_among_those_of_the_tables() -> None:
    """So that a new release of httpx does not bring one that is a traceback."""
    leaves = {kind for kind in _all_below(httpx.HTTPError) if not kind.__subclasses__()}
    assert leaves - {httpx.HTTPStatusError} == {*FAILURES, *TIMEOUTS}


def _all_below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_below(below)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, f"{LIVE} asks for a token: name the file that holds it with --admin-token-file"),
        (302, f"{LIVE} answered 302: go \\x1baway"),
        (404, f"{LIVE} answered 404: go \\x1baway"),
        (503, f"{LIVE} answered 503: go \\x1baway"),
    ],
)
def test_a_status_other_than_200_is_one_sentence(
    listener: respx.MockRouter, status: int, sentence: str
) -> None:
    listener.get("/routes").respond(
        status, headers={"location": "http://elsewhere.example/"}, content=b"go \x1baway"
    )
    assert refusal("routes") == f"facade: {sentence}"


def test_of_a_long_refusal_the_first_bytes_are_shown(listener: respx.MockRouter) -> None:
    listener.get("/routes").respond(500, content=b"z" * 10_000)
    assert refusal("routes").count("z") == 200


class Endless(httpx.AsyncByteStream):
    """A body that has no end, and counts what was read of it."""

    def __init__(self) -> None:
        self.read_mib = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read_mib += 1
            yield b"x" * 1024 * 1024


def test_a_body_without_end_is_given_up(listener: respx.MockRouter) -> None:
    body = Endless()
    listener.get("/routes").mock(return_value=httpx.Response(200, stream=body))
    assert refusal("routes") == f"facade: {LIVE} answers without end"
    assert body.read_mib == 65
