"""uvicorn's HTTP protocol with what the facade needs: the raw target, no trailer as a header, problem+json.

Only hooks that httptools calls are touched. `scope["facade.target"]` is the request target as it was sent.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.answers import Answer, problem
from proxy.errors import BadRequest


class FacadeProtocol(HttpToolsProtocol):
    """One client connection."""

    _in_trailers = False

    def on_message_begin(self) -> None:
        self._in_trailers = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Fields after a chunked body are no headers (RFC 9110 6.5.1), whichever packet they came in.
        if not self._in_trailers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_trailers = True
        super().on_headers_complete()
        self.scope["facade.target"] = self.url  # type: ignore[typeddict-unknown-key]

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets a problem, too. The connection ends with it."""
        answer = problem(BadRequest(f"this is no HTTP/1.1 request that can be passed on: {msg}"))
        self.transport.write(_written(answer))
        self.transport.close()


def _written(answer: Answer) -> bytes:
    fields = [
        *answer.headers,
        (b"content-length", b"%d" % len(answer.body)),
        (b"connection", b"close"),
    ]
    lines = [b"%b: %b\r\n" % field for field in fields]
    return b"HTTP/1.1 400 Bad Request\r\n%b\r\n%b" % (b"".join(lines), answer.body)
