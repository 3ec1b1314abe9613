"""What a client sends after its request's head, on its way to the backend: a body, or another protocol's bytes."""

import time

from msgspec import Struct

from proxy.client_answer import ClientEnd
from proxy.client_head import fields_block
from proxy.endings import LINGER_S
from proxy.headers import request_trailers
from proxy.model import HeaderPairs
from proxy.upstream import Connection
from proxy.upstream.request import LAST_CHUNK, chunk

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyIn(Struct, eq=False):
    """A request's body. What comes before there is a connection waits: reading is paused then."""

    client: ClientEnd
    chunked: bool
    complete: bool = False
    connection: Connection | None = None
    early: tuple[bytes, ...] = ()
    trailers: HeaderPairs = []

    def data(self, data: bytes) -> None:
        """Some of it."""
        if self.connection is None:
            self.early += (data,)
        else:
            self.connection.write(chunk(data) if self.chunked else data)

    def end(self, trailers: HeaderPairs) -> None:
        """There is no more."""
        self.complete = True
        self.trailers = request_trailers(trailers)
        if self.connection is not None:
            self._end_on(self.connection)

    def begin(self, connection: Connection, expected: bool) -> None:
        """Go on over a connection that has the head. `expected`: the client waits to be told to send."""
        self.connection = connection
        early, self.early = self.early, ()
        if expected and not early and not self.complete:
            self.client.write(CONTINUE)
        for data in early:
            self.data(data)
        if self.complete:
            self._end_on(connection)
        else:
            self.client.resume_reading()

    def _end_on(self, connection: Connection) -> None:
        if self.chunked:
            trailers = self.trailers
            connection.write(b"0\r\n%b\r\n" % fields_block(trailers) if trailers else LAST_CHUNK)
        connection.end_upload()


class Tunnel(Struct, eq=False):
    """Two directions of bytes that are not ours to read, after a 101. Each ends by itself (RFC 6455 7.1.1)."""

    client: ClientEnd
    connection: Connection
    half_ended_at: float = 0.0
    """When the first direction ended; 0 while both last."""

    def data(self, data: bytes) -> None:
        """From the client."""
        self.connection.write_through(data)

    def client_ended(self) -> bool:
        """The client has said all it will; the backend may go on. True if that was the second half."""
        self.connection.write_eof()
        return self._ended()

    def backend_ended(self) -> bool:
        """The backend has said all it will; the client may go on. True if that was the second half."""
        self.client.write_eof()
        return self._ended()

    def is_stale(self, now: float) -> bool:
        """One half is over, and the other stayed: a peer that is gone looks the same."""
        return self.half_ended_at > 0 and now - self.half_ended_at >= LINGER_S

    def _ended(self) -> bool:
        second = self.half_ended_at > 0
        self.half_ended_at = self.half_ended_at or time.monotonic()
        return second
