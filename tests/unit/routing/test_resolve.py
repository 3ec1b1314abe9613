"""Which route takes a request, what is fixed of its decision, and what is refused before there is one."""

import pytest
from msgspec.structs import replace

from proxy.errors import (
    AmbiguousPath,
    BadRequest,
    HeadTooLarge,
    NoRoute,
    RequestError,
    UriTooLong,
)
from proxy.model import DirectResponse, Facts, Limits, Route
from proxy.model.match import Match
from proxy.routing.match import Index
from proxy.routing.resolve import Resolution, resolve
from tests.make import exact, facts, matched, prefix, refs, route, table

CANARY = route("canary", prefix("/c"), to=refs(legacy=95, new=5), stage="canary")
LIVE = route("live", prefix("/live"), to=refs(legacy=0, new=100), stage="live")
ONLY = route("only", prefix("/o"))
GONE = Route("gone", (Match(path=exact("/gone")),), direct_response=DirectResponse(410))
SMALL = replace(route("small", prefix("/small")), limits=Limits(max_uri_bytes=10))
TABLE = table(CANARY, LIVE, ONLY, GONE, SMALL)


def resolved(request: Facts, header_bytes: int | None = None) -> Resolution:
    return resolve(Index(TABLE.routes), request, header_bytes)


@pytest.mark.parametrize(
    ("path", "route_"), [("/c/x", CANARY), ("/live", LIVE), ("/o", ONLY), ("/gone", GONE)]
)
def test_a_request_has_a_route(path: str, route_: Route) -> None:
    assert resolved(facts(path)) == Resolution(matched(route_))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        pytest.param(facts("/c", host=""), BadRequest, id="no Host in HTTP/1.1"),
        pytest.param(facts("/c", "OPTIONS", host=""), BadRequest, id="no Host, whatever it asks"),
        pytest.param(facts("/c%2F..%2Fo"), AmbiguousPath, id="a path with two meanings"),
        pytest.param(facts("/x"), NoRoute, id="no route"),
        pytest.param(facts("/x", "OPTIONS"), NoRoute, id="OPTIONS for a path that no route takes"),
        pytest.param(facts("/c\\x"), BadRequest, id="a path that no server should see"),
    ],
)
def test_a_request_is_refused_before_it_has_a_route(
    request_: Facts, error: type[RequestError]
) -> None:
    resolution = resolved(request_)
    assert type(resolution.error) is error
    assert resolution == Resolution(error=resolution.error)


def test_a_request_without_a_route_is_named_in_the_error() -> None:
    assert "no route takes GET /x" in str(resolved(facts("/x")).error)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(facts("*", "OPTIONS"), id="the server as a whole"),
        pytest.param(facts("/c", "OPTIONS", headers={"max-forwards": "0"}), id="no further hop"),
    ],
)
def test_options_for_the_facade_itself_takes_no_route(request_: Facts) -> None:
    assert resolved(request_) == Resolution(for_facade=True)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(facts("/o", "OPTIONS"), id="a resource"),
        pytest.param(facts("/o", "OPTIONS", headers={"max-forwards": "1"}), id="one more hop"),
        pytest.param(facts("/o", headers={"max-forwards": "0"}), id="another method"),
        pytest.param(replace(facts("/o", host=""), minor=0), id="HTTP/1.0 without Host"),
    ],
)
def test_other_requests_take_their_route(request_: Facts) -> None:
    assert resolved(request_) == Resolution(matched(ONLY))


@pytest.mark.parametrize(
    ("request_", "header_bytes", "error"),
    [
        pytest.param(facts("/small/xxxxxx"), None, UriTooLong, id="a long target"),
        pytest.param(
            facts("/small", headers={"a": "x" * 40_000}), None, HeadTooLarge, id="large fields"
        ),
        pytest.param(facts("/small"), 40_000, HeadTooLarge, id="fields measured by the caller"),
    ],
)
def test_a_request_beyond_the_limits_of_its_route_is_refused_with_the_route(
    request_: Facts, header_bytes: int | None, error: type[RequestError]
) -> None:
    resolution = resolved(request_, header_bytes)
    assert type(resolution.error) is error
    assert resolution == Resolution(matched(SMALL), error=resolution.error)


def test_a_size_that_is_given_is_not_measured_again() -> None:
    large = facts("/small", headers={"a": "x" * 40_000})
    assert resolved(large, header_bytes=10).error is None
