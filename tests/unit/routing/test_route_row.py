"""A route as a JSON object."""

from typing import Any

import pytest

from proxy.model import DirectResponse, Redirect, Route
from proxy.model.match import Match
from proxy.routing.route_row import route_row
from tests.make import exact, prefix, refs, route


@pytest.mark.parametrize(
    ("of", "row"),
    [
        pytest.param(
            route("c", prefix("/c"), to=refs(legacy=94.5, new=5.5), stage="canary"),
            {
                "name": "c",
                "match": "path prefix /c",
                "stage": "canary",
                "backends": {"legacy": 94.5, "new": 5.5},
            },
            id="weights in per cent",
        ),
        pytest.param(
            Route("gone", (Match(path=exact("/gone")),), direct_response=DirectResponse(410)),
            {
                "name": "gone",
                "match": "path exact /gone",
                "stage": None,
                "backends": {},
                "direct_response": 410,
            },
            id="a direct response",
        ),
        pytest.param(
            Route("home", (Match(path=exact("/")),), redirect=Redirect(308, path="/c")),
            {
                "name": "home",
                "match": "path exact /",
                "stage": None,
                "backends": {},
                "redirect": 308,
            },
            id="a redirect",
        ),
    ],
)
def test_a_route_is_shown_with_its_match_and_where_it_leads(of: Route, row: dict[str, Any]) -> None:
    assert route_row(of) == row
