"""A path with several readings goes to the route that all of them lead to, or is refused (rule 12)."""

import pytest

from proxy.errors import AmbiguousPath
from proxy.model import BackendRef, Redirect, Rewrite, Route
from proxy.model.match import Match
from proxy.routing.match import Index, match
from tests.make import facts, prefix, rewriting, route, template
from tests.unit.routing.matching import TENANT, any_case, taken


@pytest.mark.parametrize(
    "path",
    [
        "/travelbuddy/flightspecials/7%2Fheader",
        "/travelbuddy/x/../flightspecials/7/header",
        "/travelbuddy/x/%2e%2e/flightspecials/7/header",
        "//travelbuddy/flightspecials/7/header",
        "/travelbuddy;v=1/flightspecials/7/header",
        "/travelbuddy/%66lightspecials/7/header",
        "/travelbuddy/flightspecials/7%252Fheader",
    ],
)
def test_a_path_whose_readings_lead_to_different_routes_is_refused(path: str) -> None:
    routes = [route("h", template("/travelbuddy/flightspecials/{id}/header")), route("rest")]
    with pytest.raises(AmbiguousPath, match="different routes"):
        match(Index(routes), facts(path))


@pytest.mark.parametrize(
    "path", ["/ADMIN%2Fusers/7", "/x/../Admin/users/7", "//aDMIN/users/7", "/%61DMIN/users/7"]
)
def test_readings_in_any_case_that_lead_to_different_routes_are_refused(path: str) -> None:
    routes = [route("h", any_case("template", "/Admin/Users/{id}")), route("rest")]
    with pytest.raises(AmbiguousPath, match="different routes"):
        match(Index(routes), facts(path))


@pytest.mark.parametrize(
    "path",
    [
        "/api/a%2Forders/7",
        "/api/x/orders/../admin",
        "/api/x/%6frders/7",
        "/api/x//orders",
        "/api/x/y;/..;/orders",
    ],
)
def test_readings_of_a_tail_that_lead_to_different_routes_are_refused(path: str) -> None:
    with pytest.raises(AmbiguousPath, match="different routes"):
        match(Index([route("t", TENANT), route("rest")]), facts(path))


@pytest.mark.parametrize(
    ("refs", "redirect", "refused"),
    [
        pytest.param((BackendRef("legacy"),), None, False, id="no rewrite"),
        pytest.param(rewriting(Rewrite(full_path="/x")), None, False, id="one path for all"),
        pytest.param(rewriting(Rewrite(hostname="h")), None, False, id="another host"),
        pytest.param(rewriting(Rewrite(prefix="/x")), None, True, id="the prefix is replaced"),
        pytest.param(rewriting(Rewrite(template="/x")), None, True, id="a template is filled"),
        pytest.param((), Redirect(prefix="/x"), True, id="a redirect replaces the prefix"),
        pytest.param((), Redirect(path="/x"), False, id="a redirect to one path"),
    ],
)
def test_readings_may_lead_to_two_matches_of_a_route_that_sends_both_the_same(
    refs: tuple[BackendRef, ...], redirect: Redirect | None, refused: bool
) -> None:
    matches = (Match(path=prefix("/a")), Match(path=prefix("/a/b")))
    index = Index([Route("r", matches, refs, redirect=redirect), route("rest")])
    assert match(index, facts("/a/b")) is not None
    if not refused:
        found = match(index, facts("/a/%62"))
        assert found is not None
        assert (found.route.name, found.number) == ("r", 1)
        return
    with pytest.raises(AmbiguousPath, match=r"\(r match 1, r match 2\)"):
        match(index, facts("/a/%62"))


def test_an_odd_path_that_all_readings_agree_on_goes_on() -> None:
    assert taken([route("rest")], facts("/a%2Fb/../c//d;v=1")) == "rest"
