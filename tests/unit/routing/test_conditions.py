"""Which requests the conditions of a match hold for: headers, query, cookies, scheme, and what is left out."""

from typing import Literal

import pytest
from msgspec.structs import replace

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import Index, first_failure, match
from tests.make import facts, prefix, route, template


def taken(routes: list[Route], request: Facts) -> str | None:
    found = match(Index(routes), request)
    return None if found is None else found.route.name


def any_case(kind: Literal["exact", "prefix", "template"], value: str) -> PathMatch:
    return PathMatch(kind, value, ignore_case=True)


def only(**parts: tuple[StringMatch, ...]) -> Route:
    return route(match=Match(**parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "request_", "holds"),
    [
        (only(headers=(StringMatch("v", "exact", "1"),)), facts(headers={"V": "1"}), True),
        (only(headers=(StringMatch("v", "exact", "1"),)), facts(headers={"v": "10"}), False),
        (only(headers=(StringMatch("v", "prefix", "1"),)), facts(headers={"v": "10"}), True),
        (only(headers=(StringMatch("v", "regex", "1+"),)), facts(headers={"v": "111"}), True),
        (only(headers=(StringMatch("v", "regex", "1+"),)), facts(headers={"v": "1112"}), False),
        (only(headers=(StringMatch("v", "present", "true"),)), facts(), False),
        (only(headers=(StringMatch("v", "present", "false"),)), facts(), True),
        (only(query=(StringMatch("v", "exact", "a b"),)), facts(query="x=1&v=a+b"), True),
        (only(query=(StringMatch("v", "exact", "é"),)), facts(query="v=%C3%A9"), True),
        (only(query=(StringMatch("v", "present", "true"),)), facts(query="v"), True),
        (only(query=(StringMatch("v", "exact", "2"),)), facts(query="v=1&v=2"), True),
        (
            only(cookies=(StringMatch("b", "exact", "1"),)),
            facts(headers={"cookie": "a=2; b=1"}),
            True,
        ),
        (only(cookies=(StringMatch("b", "exact", "1"),)), facts(headers={"cookie": "ab=1"}), False),
        (
            only(cookies=(StringMatch("b", "present", "true"),)),
            facts(headers={"cookie": "b"}),
            False,
        ),
    ],
)
def test_a_condition_holds(wanted: Route, request_: Facts, holds: bool) -> None:
    assert (match(Index([wanted]), request_) is not None) == holds
    assert (first_failure(wanted.matches[0], request_, request_.path) is None) == holds


def members(kind: Literal["exact", "prefix", "regex"], value: str) -> Route:
    return only(headers=(StringMatch("v", kind, value, members=True),))


@pytest.mark.parametrize(
    ("wanted", "sent", "holds"),
    [
        (members("exact", "b"), "a, b", True),
        (members("exact", "b"), " b ,a", True),
        (members("exact", "a, b"), "a, b", False),
        (members("exact", "b"), "b;q=1", False),
        (members("prefix", "b;"), "a,b;q=1", True),
        (members("regex", "b(;.*)?"), "a,b;q=1", True),
        (members("exact", "b"), '"a, b"', False),
        (members("exact", '"a, b"'), '"a, b", c', True),
        (members("exact", "c"), '"a\\", b", c', True),
        (members("exact", ""), "a,,b", False),
        (members("exact", "b"), '"a, b', False),
    ],
)
def test_each_member_of_a_list_header_is_compared(wanted: Route, sent: str, holds: bool) -> None:
    request = facts(headers={"v": sent})
    assert (match(Index([wanted]), request) is not None) == holds


@pytest.mark.parametrize(
    ("scheme", "trusted", "headers", "believed"),
    [
        ("http", False, {}, "http"),
        ("https", False, {}, "https"),
        ("http", False, {"x-forwarded-proto": "https"}, "http"),
        ("http", True, {"x-forwarded-proto": "https"}, "https"),
        ("http", True, {"x-forwarded-proto": "HTTPS, http"}, "https"),
        ("https", True, {"forwarded": "for=1;proto=http"}, "http"),
        ("http", True, {"x-forwarded-proto": "wss"}, "https"),
        ("https", True, {"x-forwarded-proto": "ws"}, "http"),
        ("https", True, {"x-forwarded-for": "1"}, "https"),
    ],
)
def test_the_scheme_is_the_believed_one(
    scheme: str, trusted: bool, headers: dict[str, str], believed: str
) -> None:
    request = replace(facts(headers=headers), scheme=scheme, peer_trusted=trusted)
    routes = [route(each, match=Match(scheme=each)) for each in ("http", "https")]
    assert taken(routes, request) == believed
    other = Match(scheme="https" if believed == "http" else "http")
    assert first_failure(other, request, b"/") == f"scheme {believed} is not {other.scheme}"


OFFICE = Match(hosts=("office.example",))
ADMIN_WRITES = Match(path=prefix("/admin"), methods=("POST",))


@pytest.mark.parametrize(
    ("excluded", "request_", "holds"),
    [
        ((OFFICE,), facts(), True),
        ((OFFICE,), facts(host="OFFICE.example:80"), False),
        ((ADMIN_WRITES,), facts("/admin/x", "POST"), False),
        ((ADMIN_WRITES,), facts("/admin/x", "GET"), True),
        ((ADMIN_WRITES,), facts("/x", "POST"), True),
        ((OFFICE, ADMIN_WRITES), facts("/admin", "POST"), False),
        ((Match(path=PathMatch("regex", "/a.*")),), facts("/ab"), False),
        ((Match(path=PathMatch("regex", "/a.*")),), facts("/b"), True),
        ((Match(path=any_case("prefix", "/A")),), facts("/a/b"), False),
        ((Match(path=template("/a/{x}", x="[0-9]")),), facts("/a/7"), False),
        ((Match(path=template("/a/{x}", x="[0-9]")),), facts("/a/x"), True),
        ((Match(headers=(StringMatch("v", "present", "true"),)),), facts(headers={"v": ""}), False),
    ],
)
def test_a_request_is_left_out(excluded: tuple[Match, ...], request_: Facts, holds: bool) -> None:
    wanted = route(match=Match(excluded=excluded))
    assert (match(Index([wanted]), request_) is not None) == holds


@pytest.mark.parametrize("path", ["/x/..%2fadmin", "//admin", "/%61dmin", "/x/../admin"])
def test_readings_of_which_one_is_left_out_are_refused(path: str) -> None:
    open_ = Match(excluded=(Match(path=prefix("/admin")),))
    with pytest.raises(AmbiguousPath, match="different routes"):
        match(Index([route("open", match=open_)]), facts(path))
