"""Which route takes an odd path under the path policies of a table (rule 12, ADR 2)."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.errors import AmbiguousPath, BadRequest
from proxy.model import STRICT_PATHS, DirectResponse, Match, MatchedRoute, PathPolicy, Route
from proxy.routing.match import Index, match, ruling_for
from proxy.routing.paths import readings_of
from tests.make import facts, prefix, route, template

MERGE = PathPolicy(double_slash="merge")
KEEP = PathPolicy(double_slash="keep")
SLASH = PathPolicy(encoded_slash="keep")
BACKSLASH = PathPolicy(backslash="keep")
RAW = PathPolicy(raw_bytes="keep")
LAX = PathPolicy("keep", "keep", "keep", "keep")

REST = route("rest")
BROKER = route("broker", prefix("/rabbitmq"))
ITEM = route("item", template("/projects/{id}"))
ISSUES = route("issues", template("/projects/{id}/issues"))
SECRET = Route(
    "secret", (Match(path=prefix("/projects/secret")),), direct_response=DirectResponse(403)
)
ADMIN = Route("admin", (Match(path=prefix("/admin")),), direct_response=DirectResponse(403))
PUBLIC = route("public", prefix("/public"))


def with_policy(of: Route, policy: PathPolicy) -> Route:
    return replace(of, path_policy=policy)


def route_of(matched: MatchedRoute | None) -> Route | None:
    return None if matched is None else matched.route


def taken(path: str | bytes, *routes: Route) -> str | None:
    """The name of the route that takes the path, or the reason of the refusal."""
    raw = path if isinstance(path, bytes) else path.encode("latin-1")
    try:
        found = match(Index(routes), replace(facts(), path=raw))
    except BadRequest as refusal:
        return refusal.reason
    return None if found is None else found.route.name


@pytest.mark.parametrize(
    ("path", "broker", "rest", "expected"),
    [
        pytest.param("//rabbitmq/x", PathPolicy(), PathPolicy(), "ambiguous_path", id="refused without a policy"),
        pytest.param("//rabbitmq/x", MERGE, PathPolicy(), "broker", id="the route of the merged reading merges"),
        pytest.param("//rabbitmq/x", MERGE, MERGE, "broker", id="as both do"),
        pytest.param("//rabbitmq/x", KEEP, KEEP, "rest", id="both keep the empty segment"),
        pytest.param("//rabbitmq/x", PathPolicy(), KEEP, "ambiguous_path", id="the wider one alone does not settle it"),
        pytest.param("//rabbitmq/x", MERGE, KEEP, "broker", id="the narrower one does"),
        pytest.param("//rabbitmq/x", KEEP, MERGE, "ambiguous_path", id="each names the other's reading"),
        pytest.param("//rabbitmq/x", SLASH, SLASH, "ambiguous_path", id="another policy does not matter"),
        pytest.param("/rabbitmq//x", PathPolicy(), PathPolicy(), "broker", id="one route takes all readings"),
        pytest.param("/rabbitmq//x", KEEP, PathPolicy(), "broker", id="also under a policy"),
        pytest.param("//other", MERGE, PathPolicy(), "rest", id="and where the policy is of another route"),
    ],
)  # fmt: skip
def test_double_slashes(path: str, broker: PathPolicy, rest: PathPolicy, expected: str) -> None:
    assert taken(path, with_policy(BROKER, broker), with_policy(REST, rest)) == expected


@pytest.mark.parametrize(
    ("path", "routes", "expected"),
    [
        pytest.param("/projects/a%2Fb", (ITEM, REST), "ambiguous_path", id="refused without a policy"),
        pytest.param("/projects/a%2Fb", (with_policy(ITEM, SLASH), REST), "item", id="the parameter holds it"),
        pytest.param("/projects/a%2fb", (with_policy(ITEM, SLASH), REST), "item", id="in lower case too"),
        pytest.param("/projects/a%2F%41", (with_policy(ITEM, SLASH), REST), "item", id="beside other escapes"),
        pytest.param("/projects/a%2Fb", (with_policy(ITEM, SLASH),), "item", id="against no route"),
        pytest.param("/projects/a%2Fb", (ITEM, with_policy(REST, SLASH)), "ambiguous_path", id="not by the wider route"),
        pytest.param("/projects/a%252Fb", (with_policy(ITEM, SLASH), REST), "ambiguous_path", id="an escaped escape stays odd"),
        pytest.param("/projects/secret%2Fx", (with_policy(ITEM, SLASH), SECRET, REST), "ambiguous_path", id="not against a narrower route"),
        pytest.param("/projects/x%2Fissues", (with_policy(ITEM, SLASH), ISSUES, REST), "ambiguous_path", id="which knows no policy"),
        pytest.param("/projects/x%2Fissues", (with_policy(ITEM, SLASH), with_policy(ISSUES, SLASH), REST), "item", id="unless it keeps it, too"),
        pytest.param("/projects/a%2Fb/issues", (ITEM, with_policy(ISSUES, SLASH), REST), "issues", id="in the middle"),
        pytest.param("/projects%2Fa", (with_policy(ITEM, SLASH), REST), "ambiguous_path", id="it opens no other route's path"),
        pytest.param("/projects%2Fa", (with_policy(ITEM, SLASH), with_policy(REST, SLASH)), "rest", id="the table keeps it"),
        pytest.param("/none%2Fa", (with_policy(ITEM, SLASH),), None, id="no route in any reading"),
    ],
)  # fmt: skip
def test_encoded_slashes(path: str, routes: tuple[Route, ...], expected: str | None) -> None:
    assert taken(path, *routes) == expected


@pytest.mark.parametrize(
    ("path", "policy", "expected"),
    [
        ("/public/a%5Cb", PathPolicy(), "bad_request"),
        ("/public/a%5Cb", BACKSLASH, "public"),
        ("/public/a%5cb", BACKSLASH, "public"),
        ("/public/a%255Cb", BACKSLASH, "public"),
        ("/public/a\\b", BACKSLASH, "public"),
        ("/public/a\\b", RAW, "bad_request"),
        ("/other/a%5Cb", BACKSLASH, "bad_request"),
        ("/public%5Cb", BACKSLASH, "ambiguous_path"),
        ("/public/\xe9", PathPolicy(), "bad_request"),
        ("/public/\xe9", RAW, "public"),
        ("/public/\xe9", BACKSLASH, "bad_request"),
        ("/public/\xc0\xaf", RAW, "bad_request"),
        ("/other/\xe9", RAW, "bad_request"),
        ("/public/a b", LAX, "bad_request"),
        ("/public/%00", LAX, "bad_request"),
        ("/public/%", LAX, "bad_request"),
    ],
)
def test_backslashes_and_raw_bytes(path: str, policy: PathPolicy, expected: str) -> None:
    assert taken(path, with_policy(PUBLIC, policy), REST) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/public//../admin", "ambiguous_path"),
        ("/public/..//admin", "ambiguous_path"),
        ("/public/%2e%2e%2fadmin", "ambiguous_path"),
        ("/public/..%2fadmin", "ambiguous_path"),
        ("/public/..%252fadmin", "ambiguous_path"),
        ("/public/x%2f..%2f..%2fadmin", "ambiguous_path"),
        ("/public/..;x/admin", "ambiguous_path"),
        ("/public/..;%2fadmin", "ambiguous_path"),
        ("/public%5C..%5Cadmin", "bad_request"),
        ("/public\\..\\admin", "bad_request"),
        ("/public/..%5Cadmin", "bad_request"),
        ("/public/..%255Cadmin", "bad_request"),
        ("/public/../admin/\xe9", "bad_request"),
        ("//admin", "ambiguous_path"),
        ("///admin/x", "ambiguous_path"),
        ("/%2Fadmin", "ambiguous_path"),
        ("/admin%2Fx", "ambiguous_path"),
        ("%2Fadmin", "bad_request"),
        ("/admin%5Cx", "ambiguous_path"),
        ("\\admin", "bad_request"),
        ("/%5Cadmin", "ambiguous_path"),
    ],
)
def test_no_policy_of_one_route_opens_the_path_of_another(path: str, reason: str) -> None:
    lax = (with_policy(PUBLIC, LAX), with_policy(REST, LAX))
    assert taken(path, *lax, ADMIN) == reason
    merging = replace(LAX, double_slash="merge")
    merged = taken(path, with_policy(PUBLIC, merging), with_policy(REST, merging), ADMIN)
    assert merged in ("ambiguous_path", "bad_request", "admin")


@pytest.mark.parametrize(
    "path", ["/public//../admin", "/public/%2e%2e%2fadmin", "/public/..//admin"]
)
def test_dot_segments_know_no_policy_of_the_table_either(path: str) -> None:
    assert (
        taken(path, *(with_policy(each, LAX) for each in (PUBLIC, REST, ADMIN))) == "ambiguous_path"
    )
    assert taken(path, with_policy(REST, LAX)) == "rest"


def test_a_route_of_one_host_does_not_open_what_another_route_protects_on_all_hosts() -> None:
    one = Route(
        "one", (Match(hosts=("www.example",), path=template("/{name}")),), path_policy=SLASH
    )
    assert taken("/admin%2Fx", one, ADMIN) == "ambiguous_path"


def test_with_one_policy_for_all_a_path_without_a_route_has_none() -> None:
    assert taken("//public", with_policy(PUBLIC, KEEP)) is None
    assert taken("/other/a%5Cb", with_policy(PUBLIC, BACKSLASH)) is None


def test_the_ruling_lists_the_readings_and_the_fields_that_matter() -> None:
    item = with_policy(ITEM, replace(LAX, double_slash="refuse"))
    ruling = ruling_for(Index((item, REST)), facts("/projects/a%2Fb"))
    assert (route_of(ruling.matched), ruling.path, ruling.policy) == (
        item,
        b"/projects/a%2Fb",
        ("encoded_slash: keep",),
    )
    assert [(each.path, route_of(each.matched), each.counts) for each in ruling.readings] == [
        (b"/projects/a%2Fb", item, True),
        (b"/projects/a/b", REST, False),
    ]  # fmt: skip


def test_an_ambiguous_path_names_two_routes() -> None:
    with pytest.raises(AmbiguousPath, match=r"\(rest, broker\)"):
        match(Index((BROKER, REST)), facts("//rabbitmq"))


PIECES = st.sampled_from(
    ("/", "//", "public", "admin", "projects", "secret", "..", ".", "%2e%2e", "%2F", "%252f", "%5C", "\\", ";x", "x", "é")
)  # fmt: skip
POLICIES = st.builds(
    PathPolicy,
    st.sampled_from(("refuse", "merge", "keep")),
    st.sampled_from(("refuse", "keep")),
    st.sampled_from(("refuse", "keep")),
    st.sampled_from(("refuse", "keep")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8), POLICIES, POLICIES, POLICIES)
def test_a_policy_of_others_opens_no_reading_that_leads_to_a_strict_route(
    pieces: list[str], public: PathPolicy, item: PathPolicy, rest: PathPolicy
) -> None:
    path = ("/" + "".join(pieces)).encode("latin-1")
    routes = (with_policy(PUBLIC, public), with_policy(ITEM, item), with_policy(REST, rest), ADMIN)
    if taken(path, *routes) in ("public", "item", "rest"):
        index = Index(routes)
        assert all(
            route_of(index.find(facts(), each)) is not ADMIN
            for each in readings_of(path, STRICT_PATHS)
        )
