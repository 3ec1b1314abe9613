"""The head of a response to a client, as bytes."""

import pytest

from proxy.http1.response_writer import fields_block, lines_of, response_head_bytes

FIELDS = [(b"a", b"1"), (b"b", b"")]


@pytest.mark.parametrize(
    ("status", "length", "chunked", "connection", "head"),
    [
        pytest.param(
            200, b"3", False, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", id="a length"
        ),
        pytest.param(
            200,
            None,
            True,
            b"",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            200,
            b"3",
            True,
            b"",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            id="chunks go before a length",
        ),
        pytest.param(
            404,
            None,
            False,
            b"close",
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n",
            id="until close",
        ),
        pytest.param(
            200,
            b"3",
            False,
            b"keep-alive",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
            id="a connection that is kept for HTTP/1.0",
        ),
        pytest.param(
            204, None, False, b"", b"HTTP/1.1 204 No Content\r\n\r\n", id="without framing"
        ),
        pytest.param(
            299,
            b"0",
            False,
            b"close",
            b"HTTP/1.1 299 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            id="a status without a registered phrase",
        ),
    ],
)
def test_a_response_head_is_written_with(
    status: int, length: bytes | None, chunked: bool, connection: bytes, head: bytes
) -> None:
    assert response_head_bytes(status, [], length, chunked, connection) == head


def test_fields_stand_between_the_status_line_and_the_framing() -> None:
    head = response_head_bytes(200, lines_of(FIELDS), b"3", False, b"close")
    assert head == (
        b"HTTP/1.1 200 OK\r\na: 1\r\nb: \r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    )


def test_trailers_are_fields_with_their_line_ends() -> None:
    assert fields_block(FIELDS) == b"a: 1\r\nb: \r\n"
    assert fields_block([]) == b""
