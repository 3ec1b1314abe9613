"""A first table from recorded traffic."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.load import load
from proxy.control.replay.first_table import System, first_table
from proxy.control.replay.recorded_requests import LoggedRequest, facts_of_recorded
from proxy.control.replay.survey import Survey
from proxy.routing.match import match

LEGACY = System("legacy", "http://127.0.0.1:8082")
NEW = System("flightspecials", "http://127.0.0.1:8081")

RecordedRequest = tuple[str, str, int]
"""Method, target and number of requests."""


def surveyed(*requests: RecordedRequest, status: int = 200, into: Survey | None = None) -> Survey:
    survey = into or Survey()
    for method, target, times in requests:
        for _ in range(times):
            survey.count(LoggedRequest(method, "www.example", target, status=status), 1)
    return survey


def prefixes(survey: Survey) -> list[str]:
    return ["/" + "/".join(seam.path) for seam in survey.seams()]


def matches(survey: Survey) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Kind of path, path and methods of each proposed route."""
    table = load(first_table(survey, LEGACY, NEW).encode(), "first.yaml").table
    return {
        route.name: (match_.path.kind, match_.path.value, match_.methods)
        for route in table.routes
        for match_ in route.matches
        if match_.path is not None
    }


def test_its_backends_get_the_host_of_the_client_as_all_do() -> None:
    """Applications compare it with Origin, and refuse logins and WebSockets."""
    text = first_table(surveyed(("GET", "/a", 3)), LEGACY, NEW)
    table = load(text.encode(), "first.yaml").table
    assert [backend.preserve_host for backend in table.backends] == [True, True]
    assert "preserve_host: true" not in text


@pytest.mark.parametrize(
    ("requests", "seams"),
    [
        ([("GET", "/a", 3), ("GET", "/b/c", 2)], ["/a", "/b"]),
        ([("GET", "/tb/a/1", 3), ("GET", "/tb/b", 2), ("GET", "/tb/", 1)], ["/tb/a", "/tb/b"]),
        ([("GET", "/tb/a/x", 9), ("GET", "/favicon.ico", 1)], ["/tb/a"]),
        ([("GET", "/tb/a/x", 9), ("POST", "/tb/View.DO", 1)], ["/tb/a", "/tb/View.DO"]),
        (
            [("GET", "/tb/a/1", 60), ("GET", "/tb/b", 25), ("GET", "/s/x", 15)],
            ["/tb/a", "/tb/b", "/s"],
        ),
        ([("GET", "/a/1", 60), ("GET", "/a/new/1", 20), ("GET", "/b", 20)], ["/a", "/b"]),
        ([("GET", "/a/x", 60), ("GET", "/a/y", 20), ("GET", "/b/1", 20)], ["/a", "/b"]),
        ([("GET", "/a/x", 60), ("GET", "/a/y", 20), ("GET", "/b", 20)], ["/a/x", "/a/y", "/b"]),
        ([("GET", "/api/v1/a/1", 2), ("GET", "/s/x", 1)], ["/api/v1/a", "/s"]),
        ([("GET", "/7/a", 3)], []),
        ([("GET", "/", 3)], []),
        ([("GET", "/big", 1000), ("GET", "/rare", 1)], ["/big"]),
        ([("GET", "/a;jsessionid=1/b", 1), ("GET", "/a/c/", 1)], ["/a/b", "/a/c"]),
    ],
    ids=[
        "top level",
        "below a context path",
        "a file is no seam",
        "a page that the application makes is one",
        "below a context path beside which there is more",
        "a path with identifiers directly below it is no context path",
        "a path with nothing but pages below it is no context path",
        "except if there is nothing else",
        "below an API root",
        "an identifier is no seam",
        "the root is no seam",
        "less than a hundredth is no seam",
        "parameters and trailing slashes do not matter",
    ],
)
def test_seams_are_the_parts_below_where_the_application_begins(
    requests: list[RecordedRequest], seams: list[str]
) -> None:
    assert prefixes(surveyed(*requests)) == seams


@pytest.mark.parametrize(
    ("segment", "shape"),
    [
        ("12", "{number}"),
        ("123e4567-e89b-42d3-a456-426614174000", "{uuid}"),
        ("00C0FFEE", "{hex}"),
        ("deadbeef", "deadbeef"),
        ("c0ffee", "c0ffee"),
        ("list", "list"),
        ("a%20b", "{text}"),
        ("..", "{text}"),
        ("\x1b[31m", "{text}"),
        ("{id}", "{text}"),
    ],
)
def test_identifiers_are_recognised(segment: str, shape: str) -> None:
    (seam,) = surveyed(("GET", f"/a/{segment}/x", 1), ("GET", "/b.ico", 1)).seams()[:1]
    assert seam.shapes[0].path[1:2] == (shape,) or seam.path[1:2] == (shape,)


@pytest.mark.parametrize(("names", "shapes"), [(24, 24), (25, 1)])
def test_many_values_in_one_place_are_one_shape(names: int, shapes: int) -> None:
    requests = [("GET", f"/hotels/hotel-{number}/rooms", 2) for number in range(names)]
    (seam,) = surveyed(*requests, ("GET", "/x", 100)).seams()[1:]
    assert seam.path == ("hotels",)
    assert len(seam.shapes) == shapes
    if shapes == 1:
        assert seam.shapes[0].path == ("hotels", "{text}", "rooms")


def test_a_busy_name_among_many_keeps_its_name() -> None:
    requests = [("GET", f"/p/slug-{number}", 1) for number in range(180)]
    (seam,) = surveyed(("GET", "/p/list", 10), *requests, ("GET", "/p/list", 10)).seams()
    assert [(shape.path, shape.requests) for shape in seam.shapes] == [
        (("p", "{text}"), 180),
        (("p", "list"), 20),
    ]


def test_seams_are_the_same_whenever_they_are_counted() -> None:
    requests = [("GET", f"/p/slug-{number}", 1) for number in range(180)]
    survey = surveyed(*requests)
    assert survey.seams() == survey.seams()
    (seam,) = surveyed(*requests, into=survey).seams()
    assert [(shape.path, shape.requests) for shape in seam.shapes] == [(("p", "{text}"), 360)]


def test_many_names_that_are_seams_keep_their_names() -> None:
    requests = [("GET", f"/shop/{'abcdefghijklmnopqrstuvwxyzABCD'[n]}x/{n}", 9) for n in range(30)]
    assert len(surveyed(*requests).seams()) == 20


def test_memory_is_bounded_for_every_log() -> None:
    survey = surveyed(*(("GET", f"/a{n % 60}/b{n % 59}/c{n % 61}/d{n}", 1) for n in range(60_000)))
    assert survey.requests == 60_000
    assert [seam.requests for seam in survey.seams()] == [1000] * 20
    assert sum(1 for _ in survey._tree.root.walk(())) <= 50_000


def test_requests_with_404_are_counted_and_make_no_seam() -> None:
    survey = surveyed(("GET", "/wp-admin", 9), status=404)
    assert (survey.requests, survey.not_found, survey.seams()) == (0, 9, [])


def test_reads_and_writes_of_a_seam_get_separate_routes() -> None:
    survey = surveyed(
        ("GET", "/tb/list", 9),
        ("OPTIONS", "/tb/list", 1),
        ("POST", "/tb/list/7/header", 2),
        ("GET", "/tb/only/x", 1),
        ("PUT", "/tb/put", 1),
        ("BREW", "/tb/tea/1", 1),
    )
    assert matches(survey) == {
        "list": ("prefix", "/tb/list", ("GET", "HEAD", "OPTIONS")),
        "list-writes": ("template", "/tb/list/{id}/header", ("POST",)),
        "only": ("prefix", "/tb/only", ("GET", "HEAD", "OPTIONS")),
        "put": ("prefix", "/tb/put", ()),
        "tea": ("template", "/tb/tea/{id}", ("POST",)),
    }


def test_reads_beside_a_prefix_for_writes_have_a_prefix_too() -> None:
    survey = surveyed(("GET", "/a/1", 3), ("POST", "/a", 1), ("GET", "/b/1", 1))
    assert matches(survey) == {
        "a": ("prefix", "/a", ("GET", "HEAD", "OPTIONS")),
        "a-writes": ("prefix", "/a", ()),
        "b": ("template", "/b/{id}", ("GET", "HEAD", "OPTIONS")),
    }


def test_names_are_unique() -> None:
    survey = surveyed(
        ("GET", "/api/a/x", 1), ("GET", "/v1/a/x", 1), ("GET", "/legacy", 1), ("POST", "/a", 1)
    )
    assert set(matches(survey)) == {"a", "api-a", "v1-a", "legacy-2"}


def test_the_sibling_of_a_prefix_is_no_other_seam() -> None:
    text = first_table(surveyed(("GET", "/a/b", 2), ("GET", "/a-x/b", 1)), LEGACY, None)
    assert "path: /a-xx}" in text
    assert load(text.encode(), "first.yaml").report.coverage == 100.0


def test_a_name_that_no_segment_makes_unique_gets_a_number() -> None:
    survey = surveyed(("GET", "/a-b-2", 3), ("GET", "/a-b", 2), ("GET", "/a~b", 1))
    assert set(matches(survey)) == {"a-b-2", "a-b", "a-b-3"}


def test_many_shapes_are_summed_up() -> None:
    survey = surveyed(*(("GET", f"/a/{letter}", 2) for letter in "bcdefgh"), ("GET", "/x/y", 1))
    assert "#   4 more in 2 other shapes" in first_table(survey, LEGACY, None)


def test_a_comment_has_the_traffic_of_each_seam() -> None:
    survey = surveyed(("GET", "/list/1", 6), ("DELETE", "/list/1", 2))
    survey.count(LoggedRequest("GET", "h", "/list/2", status=500), 1)
    survey.count(LoggedRequest("GET", "H", "/", status=200), 1)
    text = first_table(survey, LEGACY, None)
    assert "# 90.0 % of the requests (9): 7 reads, 2 writes, 11.1 % answered 5xx." in text
    assert "#   2  DELETE /list/{id}" in text
    assert "# 10.0 % of the requests (1): what belongs to none of these." in text
    assert "Hosts: www.example 80.0 %, h 20.0 %." in text


def test_comments_name_what_the_log_did_not_have() -> None:
    survey = Survey()
    for logged in (
        LoggedRequest("GET", "", "/a"),
        LoggedRequest("GET", "what/ever", "/a"),
        LoggedRequest("GET", "h", "/b", status=404),
    ):
        survey.count(logged, 1)
    text = first_table(survey, LEGACY, None)
    assert "# 1 more were answered 404 and count for no seam." in text
    assert "# 2 have no status: they count as answered." in text
    assert "# Hosts:" not in text
    assert 'host: "localhost"' in text


def test_a_number_in_a_path_has_a_regex_and_a_name_has_none() -> None:
    names = [("POST", f"/hotels/a%20{n}/rooms/{n}", 1) for n in range(9)]
    text = first_table(surveyed(*names, ("GET", "/x/y", 1)), LEGACY, None)
    assert 'template: "/hotels/{name}/rooms/{id}", params: {id: "[0-9]+"}' in text
    texts = [("POST", f"/hotels/a%20{n}", 1) for n in range(9)]
    text = first_table(surveyed(*texts, ("GET", "/x/y", 1)), LEGACY, None)
    assert 'path: {template: "/hotels/{name}"}' in text


def test_everything_stays_with_the_incumbent() -> None:
    table = load(first_table(surveyed(("GET", "/a", 1)), LEGACY, NEW).encode(), "first.yaml").table
    assert {
        ref.backend for route in table.routes for ref in route.backend_refs if ref.weight_bp
    } == {"legacy"}
    assert {route.stage for route in table.routes} == {"legacy", None}


def test_hosts_are_counted_up_to_a_limit() -> None:
    survey = Survey()
    for number in range(200):
        survey.count(LoggedRequest("GET", f"Host-{number}.example:80", "/", status=200), 1)
    survey.count(LoggedRequest("GET", "host-0.example:80", "/", status=200), 1)
    assert len(survey.hosts) == 100
    assert survey.hosts["host-0.example:80"] == 2


def test_a_log_of_one_hit_still_makes_a_table() -> None:
    loaded = load(first_table(surveyed(("GET", "/", 1)), LEGACY, None).encode(), "first.yaml")
    assert [route.name for route in loaded.table.routes] == ["everything-else"]


SEGMENTS = st.one_of(
    st.sampled_from(
        ["a", "b-x", "api", "on", "7", "a.b", "~", "x" * 70, "{id}", "everything-else"]
    ),
    st.text(min_size=0, max_size=4),
)
TARGETS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments))
REQUESTS = st.tuples(
    st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "DELETE", "BREW", "\x1b"]),
    TARGETS,
    st.sampled_from([200, 404, 500, 0]),
    st.text(max_size=3),
)


@settings(deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=30), st.booleans())
def test_every_log_makes_a_table_that_loads_and_takes_its_requests(
    requests: list[tuple[str, str, int, str]], with_newcomer: bool
) -> None:
    survey = Survey()
    for method, target, status, host in requests:
        survey.count(LoggedRequest(method, host, target, status=status), 1)
    assert survey.requests + survey.not_found == len(requests)
    text = first_table(survey, LEGACY, NEW if with_newcomer else None)
    assert "\x1b" not in text
    loaded = load(text.encode(), "first.yaml")
    assert loaded.report.coverage == 100.0
    assert not loaded.warnings
    plain = facts_of_recorded(LoggedRequest("GET", "h", "/nothing/of/it"))
    assert match(loaded.index, plain) is not None
