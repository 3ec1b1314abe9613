"""What the matches of a table read is logged, so that a request can be replayed."""

from proxy.control.replay.recorded_requests import LoggedRequest, facts_of_recorded
from proxy.model import Facts
from proxy.model.match import Match, StringMatch
from proxy.routing.logged_names import LoggedNames, names_that_rules_read
from proxy.routing.match import Index, match
from proxy.telemetry.log_line import read_values
from tests.make import facts, route, table


def _string(name: str) -> StringMatch:
    return StringMatch(name, "exact", "1")


def test_the_names_in_all_matches_and_in_what_they_leave_out_are_read() -> None:
    excluded = Match(headers=(_string("c"),), query=(_string("q"),))
    wanted = Match(headers=(_string("a"), _string("b")), excluded=(excluded,))
    of = table(route("r", match=wanted), route("s", match=Match(cookies=(_string("k"),))))
    assert names_that_rules_read(of) == LoggedNames(("a", "b", "c"), ("q",), ("k",))


def test_a_scheme_is_replayed_from_the_log() -> None:
    of = table(*(route(each, match=Match(scheme=each)) for each in ("http", "https")))
    reads = names_that_rules_read(of)
    assert reads.headers == ("x-forwarded-proto",)
    index = Index(of.routes)
    for scheme in ("http", "https"):
        sent = facts()
        request = Facts(sent.method, sent.host, b"/", b"", sent.headers, "", scheme)
        logged = LoggedRequest("GET", "www.example", "/", **read_values(request, reads))  # type: ignore[arg-type]
        replayed = match(index, facts_of_recorded(logged))
        assert replayed == match(index, request)
        assert replayed is not None
        assert replayed.route.name == scheme
