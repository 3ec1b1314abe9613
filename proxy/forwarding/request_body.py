"""The body of a request on its way from the client to the backend, on the fast tier."""

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.http1.chunked import LAST_CHUNK, chunk
from proxy.http1.response_writer import CONTINUE, fields_block
from proxy.model import HeaderPairs
from proxy.routing.transforms.headers import request_trailers
from proxy.upstream import Connection

MAX_KEPT_BYTES = 64 * 1024
"""A longer body is not kept for another attempt."""


class RequestBody(Struct, eq=False):
    """Passes a request's body on. Bytes that come before there is a connection are buffered, and reading is paused."""

    client: ClientConnection
    chunked: bool
    complete: bool = False
    connection: Connection | None = None
    early: tuple[bytes, ...] = ()
    trailers: HeaderPairs = []
    keeps: bool = False
    """Whether bytes that were sent are kept, for another attempt."""
    kept: list[bytes] = []
    kept_bytes: int = 0
    is_at_hand: bool = True
    """Whether every byte that has come is buffered or kept."""
    is_continued: bool = False
    """The client got its `100 Continue`."""

    def data(self, data: bytes) -> None:
        """Send or buffer bytes of the body."""
        if self.connection is None:
            self.early += (data,)
        else:
            if self.keeps:
                self._keep(data)
            self.connection.write(chunk(data) if self.chunked else data)

    def _keep(self, data: bytes) -> None:
        self.kept_bytes += len(data)
        self.is_at_hand = self.is_at_hand and self.kept_bytes <= MAX_KEPT_BYTES
        if self.is_at_hand:
            self.kept.append(data)
        else:
            self.kept.clear()

    def rewind(self) -> None:
        """Prepare another attempt. Call it only if the body is at hand."""
        self.connection = None
        self.early = (*self.kept, *self.early)
        self.kept, self.kept_bytes = [], 0

    def end(self, trailers: HeaderPairs) -> None:
        """The body is complete."""
        self.complete = True
        self.trailers = request_trailers(trailers)
        if self.connection is not None:
            self._end_on(self.connection)

    def begin(self, connection: Connection, expected: bool) -> None:
        """Send the body over `connection`, which has the head. `expected`: the client waits for `100 Continue`."""
        self.connection = connection
        early, self.early = self.early, ()
        if expected and not early and not self.complete and not self.is_continued:
            self.is_continued = True
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
