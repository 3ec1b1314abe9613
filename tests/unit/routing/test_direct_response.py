"""Answers by the facade itself."""

import json

import pytest
from msgspec.structs import replace

from proxy.errors import NoRoute, RequestError, UpstreamBusy
from proxy.http1.local_reply import problem
from proxy.model import Decision, DirectResponse, HeaderEdits, Redirect, Route
from proxy.model.match import Match
from proxy.routing.direct_response import direct_response, is_for_facade, redirect_location
from tests.make import facts, prefix


@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        pytest.param(Redirect(path="/new"), b"/new?q=1", id="a path, relative, query kept"),
        pytest.param(Redirect(prefix="/new"), b"/new/x?q=1", id="a prefix"),
        pytest.param(
            Redirect(scheme="https"), b"https://h/old/x?q=1", id="a scheme drops the port"
        ),
        pytest.param(Redirect(hostname="n.example"), b"http://n.example:81/old/x?q=1", id="a host"),
        pytest.param(Redirect(port=444), b"http://h:444/old/x?q=1", id="a port"),
        pytest.param(
            Redirect(scheme="https", hostname="n", port=8443, path="/"),
            b"https://n:8443/?q=1",
            id="all",
        ),
    ],
)
def test_a_redirect_leads_to(redirect: Redirect, location: bytes) -> None:
    route = Route("r", (Match(path=prefix("/old")),), redirect=redirect)
    assert (
        redirect_location(route.matches[0], redirect, facts("/old/x", host="h:81", query="q=1"))
        == location
    )


def test_a_relative_redirect_never_names_another_host() -> None:
    route = Route("r", (Match(),), redirect=Redirect())
    assert (
        redirect_location(route.matches[0], Redirect(), facts("//evil.example/x"))
        == b"/evil.example/x"
    )


@pytest.mark.parametrize(
    ("reported", "trusted", "location"),
    [
        pytest.param({"x-forwarded-proto": "https"}, True, b"https://new.example/x", id="proto"),
        pytest.param(
            {"x-forwarded-proto": "HTTPS, http"}, True, b"https://new.example/x", id="list"
        ),
        pytest.param({"x-forwarded-proto": "wss"}, True, b"https://new.example/x", id="websocket"),
        pytest.param({"forwarded": "for=1;proto=https"}, True, b"https://new.example/x", id="7239"),
        pytest.param({"x-forwarded-proto": "gopher"}, True, b"http://new.example/x", id="other"),
        pytest.param({"x-forwarded-proto": "https"}, False, b"http://new.example/x", id="stranger"),
        pytest.param({"forwarded": "proto=https"}, False, b"http://new.example/x", id="stranger's"),
    ],
)
def test_a_redirect_has_the_scheme_of_the_client(
    reported: dict[str, str], trusted: bool, location: bytes
) -> None:
    redirect = Redirect(hostname="new.example")
    request = replace(facts("/x", headers=reported), peer_trusted=trusted)
    assert redirect_location(Match(), redirect, request) == location


@pytest.mark.parametrize(
    ("reported", "location"),
    [
        ({"x-forwarded-host": "shop.example"}, b"https://shop.example/x"),
        ({"forwarded": 'host="shop.example:8443"'}, b"https://shop.example/x"),
    ],
)
def test_a_redirect_to_https_has_the_host_of_the_client(
    reported: dict[str, str], location: bytes
) -> None:
    request = replace(facts("/x", host="inner", headers=reported), peer_trusted=True)
    redirect = Redirect(scheme="https")
    assert redirect_location(Match(), redirect, request) == location


def test_a_redirect_keeps_an_ipv6_host() -> None:
    redirect = Redirect(scheme="https")
    route = Route("r", (Match(),), redirect=redirect)
    assert (
        redirect_location(route.matches[0], redirect, facts("/", host="[::1]")) == b"https://[::1]/"
    )


@pytest.mark.parametrize(
    ("method", "path", "max_forwards", "asks"),
    [
        pytest.param("OPTIONS", "*", None, True, id="of the server as a whole"),
        pytest.param("OPTIONS", "/a", "0", True, id="may go no further"),
        pytest.param("OPTIONS", "/a", "00", True, id="with a zero in front"),
        pytest.param("OPTIONS", "/a", "", False, id="has no number"),
        pytest.param("OPTIONS", "/a", "1", False, id="may go one further"),
        pytest.param("OPTIONS", "/a", None, False, id="of a resource"),
        pytest.param("GET", "*", "0", False, id="is no OPTIONS"),
    ],
)
def test_the_facade_itself_is_asked_by_an_options_that_goes_no_further(
    method: str, path: str, max_forwards: str | None, asks: bool
) -> None:
    headers = {} if max_forwards is None else {"max-forwards": max_forwards}
    assert is_for_facade(facts(path, method, headers=headers)) is asks


def test_a_direct_response_carries_the_route_s_edits() -> None:
    route = Route(
        "r",
        (Match(),),
        direct_response=DirectResponse(410, ((b"sunset", b"x"),), b"gone"),
        response=HeaderEdits(add=((b"a", b"1"),)),
    )
    answer = direct_response(Decision(route, "direct_response"), facts())
    assert (answer.status, answer.body) == (410, b"gone")
    assert answer.headers == [(b"sunset", b"x"), (b"a", b"1")]


def test_a_redirect_is_an_answer_without_body() -> None:
    route = Route("r", (Match(),), redirect=Redirect(308, path="/n"))
    answer = direct_response(Decision(route, "redirect"), facts())
    assert (answer.status, answer.headers, answer.body) == (308, [(b"location", b"/n")], b"")


def test_an_error_becomes_a_problem() -> None:
    answer = problem(NoRoute("no route takes GET /x"))
    assert answer.status == 404
    assert dict(answer.headers)[b"content-type"] == b"application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no route takes GET /x",
        "reason": "no_route",
    }


def test_a_problem_may_name_its_request() -> None:
    assert "instance" not in json.loads(problem(NoRoute("x")).body)
    assert json.loads(problem(NoRoute("x"), "urn:request:7").body)["instance"] == "urn:request:7"


def test_a_503_says_when_to_come_back() -> None:
    assert dict(problem(UpstreamBusy("busy")).headers)[b"retry-after"] == b"1"


def test_every_error_has_a_status_and_a_word() -> None:
    def below(kind: type[RequestError]) -> list[type[RequestError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    kinds = below(RequestError)
    assert len({kind.reason for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert 400 <= kind.status <= 599
        assert json.loads(problem(kind("x")).body)["status"] == kind.status
