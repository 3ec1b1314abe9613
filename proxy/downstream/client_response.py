"""Writes one response to a client connection, on both tiers."""

from collections.abc import Iterable

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.http1.chunked import LAST_CHUNK
from proxy.http1.framing import BODILESS_STATUSES
from proxy.http1.local_reply import LocalReply
from proxy.http1.response_head import Framing
from proxy.http1.response_writer import fields_block, lines_of, response_head_bytes
from proxy.model import HeaderPairs

_KEEP_ALIVE_END = b"\r\n"
OLD_KEEP_ALIVE_END = b"Connection: keep-alive\r\n\r\n"
"""For a client of HTTP/1.0, which has asked for it (RFC 9112 9.3)."""
_CLOSE_END = b"Connection: close\r\n\r\n"
"""The last lines of a head: whether another response may follow on the connection."""
_MAX_JOINED_BYTES = 16 * 1024
"""Copying up to this many bytes is cheaper than writing one more piece."""


class ClientResponse(Struct, eq=False):
    """Frames the response for the client. `keep`: another request may follow on the connection."""

    client: ClientConnection
    is_http10: bool
    """The client gets no interim responses and no chunked body (RFC 9112 2.5)."""
    is_head: bool
    keep: bool
    status: int = 0
    """0 until the response has begun."""
    sent_bytes: int = 0
    chunked: bool = False
    by_close: bool = False
    """Only the end of the connection marks the end of the body."""
    pending_head: bytes = b""
    """A head that is written together with the first bytes of the body."""

    def interim(self, status: int, lines: Iterable[bytes]) -> None:
        """Write an interim response (1xx), but not to an HTTP/1.0 client (RFC 9110 15.2)."""
        if not self.is_http10:
            self.client.write(response_head_bytes(status, lines, None, False))

    def start(self, status: int, head_block: bytes, framing: Framing, more_follows: bool) -> None:
        """Write the head. `head_block` has no framing fields but Content-Length. Set `keep` before.

        `more_follows`: the head waits for the first bytes of the body, because one write is cheaper than two.
        """
        self.status = status
        if framing in ("chunked", "until_close"):
            self.chunked = not self.is_http10
            self.by_close = self.is_http10
            self.keep = self.keep and not self.is_http10
        coding = b"Transfer-Encoding: chunked\r\n" if self.chunked else b""
        end = _CLOSE_END
        if self.keep:
            end = OLD_KEEP_ALIVE_END if self.is_http10 else _KEEP_ALIVE_END
        head = b"%b%b%b" % (head_block, coding, end)
        if more_follows:
            self.pending_head = head
        else:
            self.client.write(head)

    def switch(self, lines: Iterable[bytes]) -> None:
        """Write a 101. `lines` include Connection and Upgrade."""
        self.status = 101
        self.keep = False
        self.client.write(response_head_bytes(101, lines, None, False))

    def data(self, data: bytes) -> None:
        """Write bytes of the body."""
        self.sent_bytes += len(data)
        before = self.pending_head
        if before:
            self.pending_head = b""
        if self.chunked:
            before += b"%x\r\n" % len(data)
            if len(data) <= _MAX_JOINED_BYTES:
                self.client.write(b"%b%b\r\n" % (before, data))
            else:
                self.client.write_all((before, data, b"\r\n"))
        elif not before:
            self.client.write(data)
        elif len(data) <= _MAX_JOINED_BYTES:
            self.client.write(before + data)
        else:
            self.client.write_all((before, data))

    def end(self, trailers: HeaderPairs) -> None:
        """The body is complete."""
        last = b""
        if self.chunked:
            last = b"0\r\n%b\r\n" % fields_block(trailers) if trailers else LAST_CHUNK
        if self.pending_head or last:
            self.client.write(self.pending_head + last)
            self.pending_head = b""

    def flush(self) -> None:
        """Write a pending head: no body follows it for now."""
        if self.pending_head:
            self.client.write(self.pending_head)
            self.pending_head = b""

    def local_reply(self, reply: LocalReply, extra: HeaderPairs) -> None:
        """Write a whole local reply, with `extra` fields."""
        self.status = reply.status
        bodiless = reply.status in BODILESS_STATUSES
        length = None if bodiless else b"%d" % len(reply.body)
        lines = lines_of([*reply.headers, *extra])
        connection = b"close" if not self.keep else b"keep-alive" if self.is_http10 else b""
        head = response_head_bytes(reply.status, lines, length, False, connection)
        if reply.body and not (bodiless or self.is_head):
            self.sent_bytes = len(reply.body)
            head += reply.body
        self.client.write(head)


def refusal(reply: LocalReply) -> bytes:
    """The whole response to bytes that never became a request. The caller ends the connection."""
    length = b"%d" % len(reply.body)
    return (
        response_head_bytes(reply.status, lines_of(reply.headers), length, False, b"close")
        + reply.body
    )
