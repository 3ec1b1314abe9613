"""The strict reader in the shape of httptools' request parser, for a server that was built around that."""

from collections.abc import Callable
from typing import Protocol

from proxy.model import HeaderPairs
from proxy.reading.head import Fields, RequestHead
from proxy.reading.requests import RequestReader


class Callbacks(Protocol):
    """What such a server has its parser call."""

    def on_message_begin(self) -> None: ...

    def on_url(self, url: bytes) -> None: ...

    def on_header(self, name: bytes, value: bytes) -> None: ...

    def on_headers_complete(self) -> None: ...

    def on_body(self, body: bytes) -> None: ...

    def on_message_complete(self) -> None: ...


class StrictParser:
    """Takes the place of `httptools.HttpRequestParser`. `feed_data` raises a RequestError.

    What is sent ahead of its turn is held: the server never hears of a request while it is `busy` with another.
    """

    def __init__(
        self,
        server: Callbacks,
        max_head_bytes: int,
        max_fields: int,
        busy: Callable[[], bool],
    ) -> None:
        self._server = server
        self._busy = busy
        self._reader = RequestReader(self, max_head_bytes, max_fields)
        self.head = RequestHead("", b"", 1, Fields([]))
        """The request that was read last."""
        self._stopped = False
        self._body = b""

    @property
    def held_bytes(self) -> int:
        """Bytes of a head that is not complete, or of requests that have to wait."""
        return self._reader.held_bytes

    def stop(self) -> None:
        """Call nobody any more."""
        self._stopped = True

    def take_rest(self) -> bytes:
        """What came behind the head, for whoever the connection now belongs to."""
        return self._body + self._reader.take_rest()

    def feed_data(self, data: bytes) -> None:
        """Read on; the server hears of what `data` completes."""
        self._reader.feed(data)
        self.go_on()

    def go_on(self) -> None:
        """The server may have room for another request. Raises as `feed_data` does."""
        reader = self._reader
        while reader.waits and not (self._stopped or self._busy()):
            reader.proceed()

    def get_method(self) -> bytes:
        return self.head.method.encode()

    def get_http_version(self) -> str:
        return f"1.{self.head.minor}"

    def should_keep_alive(self) -> bool:
        return self.head.keep_alive

    def should_upgrade(self) -> bool:
        return False

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self.head = head
        self._body = body or b""
        server = self._server
        server.on_message_begin()
        server.on_url(head.target)
        for name, value in head.headers:
            server.on_header(name, value)
        server.on_headers_complete()
        self._body = b""
        if body:
            self.request_data(body)
        if body is not None:
            self.request_ended([])

    def request_data(self, data: bytes) -> None:
        if not self._stopped:
            self._server.on_body(data)

    def request_ended(self, trailers: HeaderPairs) -> None:
        if not self._stopped:
            self._server.on_message_complete()
