"""The attributes of spans, as the semantic conventions for HTTP name them."""

import pytest
from msgspec.structs import replace

from proxy.errors import ClientGone
from proxy.model import BackendRef, Decision, Facts, Match, PathMatch, Route
from proxy.routing.transforms.trace_context import Identity
from proxy.telemetry.request_record import Record
from proxy.tracing.attributes import span_attributes, span_name

FACTS = Facts("GET", b"shop.example:8443", b"/orders/7", b"", [], "192.0.2.1", "https", "10.0.0.1")
TEMPLATE = Match(path=PathMatch("template", "/orders/{id}"))
ROUTE = Route("order", (TEMPLATE,), (BackendRef("new"),), "live")


def record(**fields: object) -> Record:
    decision = Decision(ROUTE, "only", ROUTE.backend_refs[0], match=TEMPLATE)
    made = Record("v1", 5_000, FACTS, decision, ROUTE, status=200, complete=True, attempts=1)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_usual_request() -> None:
    found = span_attributes(record(identity=Identity(b"id-1", b"", b"", False)))
    assert found["server.address"] == "shop.example"
    assert found["server.port"] == 8443
    assert found["network.peer.address"] == "10.0.0.1"
    assert found["facade.bucket"] == 50.0
    assert found["facade.request_id"] == "id-1"
    assert "error.type" not in found
    assert "http.request.resend_count" not in found


@pytest.mark.parametrize(
    ("match", "template"),
    [
        (TEMPLATE, "/orders/{id}"),
        (Match(path=PathMatch("exact", "/about")), "/about"),
        (Match(path=PathMatch("template", "/files/{id}", tail=True)), "/files/{id}/**"),
        (Match(path=PathMatch("prefix", "/shop")), ""),
        (Match(path=PathMatch("regex", "/.*")), ""),
        (Match(), ""),
    ],
)
def test_only_a_path_with_few_values_is_the_route(match: Match, template: str) -> None:
    made = record(decision=Decision(ROUTE, "only", match=match))
    assert span_attributes(made).get("http.route", "") == template
    assert span_name(made) == f"GET {template}".strip()


def test_a_method_that_nobody_knows_is_no_name() -> None:
    made = record(facts=replace(FACTS, method="BREW"))
    found = span_attributes(made)
    assert span_name(made) == "HTTP /orders/{id}"
    assert (found["http.request.method"], found["http.request.method_original"]) == (
        "_OTHER",
        "BREW",
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": 503}, "503"),
        ({"status": 499, "complete": False, "error": ClientGone("x")}, "client_gone"),
        ({"status": 200, "complete": False}, "200"),
        ({"status": 404}, None),
    ],
)
def test_an_error_has_a_type(fields: dict[str, object], error: str | None) -> None:
    assert span_attributes(record(**fields)).get("error.type") == error


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"shop.example", "shop.example", None),
        (b"[::1]:80", "[::1]", 80),
        (b"a b", None, None),
        (b"shop.example:", "shop.example:", None),
    ],
)
def test_the_host_is_the_server(host: bytes, address: str | None, port: int | None) -> None:
    found = span_attributes(record(facts=replace(FACTS, host=host)))
    assert (found.get("server.address"), found.get("server.port")) == (address, port)


def test_more_attempts_are_resends_and_the_agent_is_shortened() -> None:
    headers = [(b"user-agent", b"x" * 5_000)]
    found = span_attributes(record(attempts=3, facts=replace(FACTS, headers=headers, peer="")))
    assert found["http.request.resend_count"] == 2
    assert len(str(found["user_agent.original"])) == 1024
    assert "network.peer.address" not in found


def test_a_refused_request_has_what_is_known() -> None:
    made = Record("v1", status=0)
    assert span_name(made) == "HTTP"
    assert "http.response.status_code" not in span_attributes(made)


def test_a_bucket_of_a_cohort_wins_over_the_draw_and_a_reply_has_no_backend() -> None:
    decision = Decision(replace(ROUTE, stage=None), "cohort", bucket_bp=1_234)
    found = span_attributes(record(decision=decision, route=replace(ROUTE, stage=None)))
    assert found["facade.bucket"] == 12.34
    assert "facade.backend" not in found
    assert "facade.stage" not in found
