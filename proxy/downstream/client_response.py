"""The answer of one request on its way to the client, on the fast tier."""

from collections.abc import Iterable

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.errors import RequestError
from proxy.http1.chunked import LAST_CHUNK
from proxy.http1.local_reply import LocalReply, problem
from proxy.http1.response_head import Framing
from proxy.http1.response_writer import fields_block, lines_of, response_head_bytes
from proxy.model import HeaderPairs

_NO_BODY = frozenset((204, 304))
END = b"\r\n"
LAST_END = b"connection: close\r\n\r\n"
"""How a head ends: more may follow on the connection, or not."""
_JOINED_BYTES = 16 * 1024
"""Up to here a copy costs less than another piece to write."""


class ClientResponse(Struct, eq=False):
    """Writes one answer, framed for the client. `keep`: the connection may carry another request after it."""

    client: ClientConnection
    old: bool
    """The client speaks HTTP/1.0: no interim answers, no chunks (RFC 9112 2.5)."""
    is_head: bool
    keep: bool
    status: int = 0
    """0 until the answer has begun."""
    sent_bytes: int = 0
    chunked: bool = False
    by_close: bool = False
    """Its end is told by the connection's."""
    waiting: bytes = b""
    """A head that goes out with what comes next."""

    def inform(self, status: int, lines: Iterable[bytes]) -> None:
        """An interim answer; HTTP/1.0 has none (RFC 9110 15.2)."""
        if not self.old:
            self.client.write(response_head_bytes(status, lines, None, False, False))

    def start(self, status: int, opening: bytes, framing: Framing, goes_on: bool) -> None:
        """The head. `opening` is of `relay`. Decide `keep` before.

        With `goes_on` it waits for what comes at once: one write is cheaper than two.
        """
        self.status = status
        if framing in ("chunked", "until_close"):
            self.chunked = not self.old
            self.by_close = self.old
            self.keep = self.keep and not self.old
        coding = b"transfer-encoding: chunked\r\n" if self.chunked else b""
        head = b"%b%b%b" % (opening, coding, END if self.keep else LAST_END)
        if goes_on:
            self.waiting = head
        else:
            self.client.write(head)

    def switch(self, lines: Iterable[bytes]) -> None:
        """A 101: the fields that belong to the connection are the caller's to add."""
        self.status = 101
        self.keep = False
        self.client.write(response_head_bytes(101, lines, None, False, False))

    def data(self, data: bytes) -> None:
        """Some of the body."""
        self.sent_bytes += len(data)
        waiting = self.waiting
        if waiting:
            self.waiting = b""
        if self.chunked:
            waiting += b"%x\r\n" % len(data)
            if len(data) <= _JOINED_BYTES:
                self.client.write(b"%b%b\r\n" % (waiting, data))
            else:
                self.client.write_all((waiting, data, b"\r\n"))
        elif not waiting:
            self.client.write(data)
        elif len(data) <= _JOINED_BYTES:
            self.client.write(waiting + data)
        else:
            self.client.write_all((waiting, data))

    def end(self, trailers: HeaderPairs) -> None:
        """The body is complete."""
        last = b""
        if self.chunked:
            last = b"0\r\n%b\r\n" % fields_block(trailers) if trailers else LAST_CHUNK
        if self.waiting or last:
            self.client.write(self.waiting + last)
            self.waiting = b""

    def flush(self) -> None:
        """Let out what waits: nothing follows after all."""
        if self.waiting:
            self.client.write(self.waiting)
            self.waiting = b""

    def own(self, answer: LocalReply, extra: HeaderPairs) -> None:
        """An answer of the facade's own, from first to last byte."""
        self.status = answer.status
        bodiless = answer.status in _NO_BODY
        length = None if bodiless else b"%d" % len(answer.body)
        lines = lines_of([*answer.headers, *extra])
        head = response_head_bytes(answer.status, lines, length, False, not self.keep)
        if answer.body and not (bodiless or self.is_head):
            self.sent_bytes = len(answer.body)
            head += answer.body
        self.client.write(head)


def refusal(error: RequestError) -> bytes:
    """The whole response to bytes that never became a request: `error` as a problem. The connection ends after it."""
    reply = problem(error)
    length = b"%d" % len(reply.body)
    return (
        response_head_bytes(reply.status, lines_of(reply.headers), length, False, True) + reply.body
    )
