"""What the original does on the wire, byte by byte: paths, redirect, methods, connections."""

import json
import re
import socket

import pytest

from tests.deploy.local.standin import StandIn, exchange

TRACE = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")


@pytest.mark.parametrize(
    ("target", "location"),
    [
        pytest.param("/travelbuddy", "/travelbuddy/", id="relative"),
        pytest.param("/travelbuddy?a=%20&b", "/travelbuddy/?a=%20&b", id="with the query"),
        pytest.param("//travelbuddy", "/travelbuddy/", id="doubled slash"),
        pytest.param("/travelbuddy;x=y", "/travelbuddy/", id="parameter"),
        pytest.param(
            "/travelbuddy;jsessionid=AB?q", "/travelbuddy/;jsessionid=AB?q", id="session id"
        ),
    ],
)
def test_the_bare_context_is_redirected_to_its_slash(
    standin: StandIn, target: str, location: str
) -> None:
    reply = standin.get(target)
    assert (reply.status, reply.field("location"), reply.body) == (302, location, b"")


PATHS = [
    pytest.param("flightspecials", "application/json", id="flights"),
    pytest.param("hotelspecials", "application/json", id="hotels"),
    pytest.param("health", "text/plain;charset=ISO-8859-1", id="health"),
    pytest.param("qrcodegen/100/x", "image/png", id="QR code"),
    pytest.param("resources/css/base.css", "text/css; charset=utf-8", id="style sheet"),
    pytest.param("app", "text/html; charset=utf-8", id="front end"),
]


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("/travelbuddy/{}", id="plain"),
        pytest.param("/travelbuddy/{}/", id="slash at the end"),
        pytest.param("/travelbuddy/{};jsessionid=ABC", id="session id"),
        pytest.param("/travelbuddy/{};a=b;c/;d=e", id="parameters"),
        pytest.param("/travelbuddy;a=%2F/{}", id="encoded slash in a parameter"),
        pytest.param("//travelbuddy///{}//", id="doubled slashes"),
    ],
)
@pytest.mark.parametrize(("path", "kind"), PATHS)
def test_a_path_is_reached_in_each_of_its_shapes(
    standin: StandIn, path: str, kind: str, shape: str
) -> None:
    reply = standin.get(shape.format(path))
    assert (reply.status, reply.field("content-type")) == (200, kind)
    assert reply.body


@pytest.mark.parametrize("target", ["/travelbuddy//", "//travelbuddy/;a=b", "/travelbuddy;a=b/"])
def test_the_page_is_reached_in_each_of_its_shapes(standin: StandIn, target: str) -> None:
    reply = standin.get(target)
    assert (reply.status, reply.field("content-type")) == (200, "text/html;charset=UTF-8")


def test_an_encoded_letter_is_the_letter(standin: StandIn) -> None:
    assert standin.get("/travelbuddy/%66lightspecials").status == 200


@pytest.mark.parametrize(
    "path", ["%2Fflightspecials", "/flightspecials%2f", "/health%5C", "/health%00", "/health%zz"]
)
def test_an_encoding_that_tomcat_refuses_is_a_400(standin: StandIn, path: str) -> None:
    reply = standin.get(f"/travelbuddy{path}")
    assert (reply.status, reply.field("content-type")) == (400, "text/html;charset=utf-8")
    assert "HTTP Status 400 – Bad Request" in reply.body.decode()


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/flightspecials",
        "/travelbuddyX",
        "/travelbuddy/nope",
        "/travelbuddy/./flightspecials",
        "/travelbuddy/x/../flightspecials",
        "/travelbuddy/resources",
        "/travelbuddy/resources/",
        "/travelbuddy/resources/images",
        "/travelbuddy/resources/page.html",
        "/travelbuddy/resources/../app.py",
        "/travelbuddy/resources/%2e%2e/app.py",
        "/database",
        "/travelbuddy/database",
    ],
)
def test_all_else_is_a_404_of_tomcat(standin: StandIn, target: str) -> None:
    reply = standin.get(target)
    assert (reply.status, reply.field("content-type")) == (404, "text/html;charset=utf-8")
    assert reply.field("content-language") == "en"
    assert "HTTP Status 404 – Not Found" in reply.body.decode()


@pytest.mark.parametrize("path", ["", "flightspecials", "hotelspecials/", "health", "app"])
def test_a_write_is_refused_in_html(standin: StandIn, path: str) -> None:
    reply = standin.send("POST", f"/travelbuddy/{path}", "Content-Length: 0")
    assert (reply.status, reply.field("allow")) == (405, "GET")
    assert reply.field("content-type") == "text/html;charset=utf-8"


TARGETS = [
    "/travelbuddy",
    "/travelbuddy/",
    "/travelbuddy/flightspecials",
    "/travelbuddy/hotelspecials",
    "/travelbuddy/health",
    "/travelbuddy/qrcodegen/100/x",
    "/travelbuddy/qrcode/100/x",
    "/travelbuddy/resources/icon.svg",
    "/travelbuddy/nope",
    "/travelbuddy/%2F",
]


@pytest.mark.parametrize("target", TARGETS)
def test_every_response_has_a_trace_id_and_no_field_that_the_original_lacks(
    standin: StandIn, target: str
) -> None:
    reply = standin.get(target)
    assert TRACE.fullmatch(reply.field("x-amzn-trace-id") or "")
    assert reply.field("content-security-policy") is None
    assert reply.field("x-content-type-options") is None
    assert reply.field("server") is None


def test_the_trace_of_the_request_goes_on(standin: StandIn) -> None:
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    reply = standin.get("/travelbuddy/health", f"X-Amzn-Trace-Id: {root};Parent=1;Sampled=1")
    assert reply.field("x-amzn-trace-id") == root


@pytest.mark.parametrize("path", ["health", "health/"])
def test_health_is_ok(standin: StandIn, path: str) -> None:
    reply = standin.get(f"/travelbuddy/{path}")
    assert (reply.status, reply.body) == (200, b"OK")
    assert reply.field("content-type") == "text/plain;charset=ISO-8859-1"


def test_a_connection_is_closed_after_its_hundredth_request(standin: StandIn) -> None:
    with standin.connect() as connection:
        for _ in range(99):
            assert exchange(connection, "GET", "/travelbuddy/health").field("connection") is None
        last = exchange(connection, "GET", "/travelbuddy/flightspecials")
        assert last.field("connection") == "close"
        assert len(json.loads(last.body)) == 11
        assert connection.recv(1) == b""


def test_requests_behind_the_hundredth_are_not_served(standin: StandIn) -> None:
    with standin.connect() as connection:
        request = b"GET /travelbuddy/health HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall(request * 101)
        received = _until_the_end(connection)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 100
    assert received.count(b"connection: close") == 1


def _until_the_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:  # what was not read is reset away
        pass
    return received


def test_an_http_1_0_client_gets_no_chunks(standin: StandIn) -> None:
    with standin.connect() as connection:
        connection.sendall(b"GET /travelbuddy/hotelspecials HTTP/1.0\r\n\r\n")
        head, _, body = _until_the_end(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert len(json.loads(body)) == 11
