"""One TCP connection as a test sees it: raw bytes, and HTTP/1.1 messages read strictly off them.

It uses no code of `proxy`: no test would find a mistake that is in both.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Pairs = list[tuple[bytes, bytes]]
Framing = Literal["none", "length", "chunked", "until_close"]

DEADLINE_S = 8.0
"""How long a test waits for anything on its own connections."""

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")
_READ_BYTES = 64 * 1024
_SMALL_BUFFER_BYTES = 64 * 1024


class Cut(Exception):
    """The connection ended before the message did. `reset`: by RST."""

    def __init__(self, reset: bool) -> None:
        super().__init__("the connection was cut before the end of the message")
        self.reset = reset


@dataclass
class Head:
    """A start line and its fields: names in lower case; values, order and repeats as received."""

    line: bytes
    fields: Pairs
    raw: bytes
    """All of it as received, without the empty line at its end."""

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def one(self, name: bytes) -> bytes:
        """The only value of a field. Fails if there are none or several."""
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} fields {name.decode()}: {self}"
        return values[0]

    @property
    def field_lines(self) -> list[bytes]:
        """Its fields byte for byte."""
        return self.raw.split(b"\r\n")[1:]

    @property
    def status(self) -> int:
        return int(self.line.split(b" ", 2)[1])

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def closes(self) -> bool:
        return b"close" in b",".join(self.all(b"connection")).lower()


@dataclass
class Message:
    """A whole message."""

    head: Head
    body: bytes
    trailers: Pairs
    raw: bytes
    """All of it as received, with the framing of its body."""
    interim: list[Head] = field(default_factory=list)


class Wire:
    """One end of a connection.

    `deadline_s` bounds each wait. None leaves that to the owner: an origin ends its connections when it stops.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        deadline_s: float | None = DEADLINE_S,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._deadline_s = deadline_s
        self._held = b""
        self._framing: Framing = "none"
        self._left = 0
        self.received = bytearray()
        """Every byte received so far."""
        self.trailers: Pairs = []

    # --- raw ----------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def flush(self) -> None:
        async with asyncio.timeout(self._deadline_s):
            await self._writer.drain()

    async def more(self) -> bytes:
        """Some bytes, at least one. Raises Cut at the end, or TimeoutError."""
        if self._held:
            data, self._held = self._held, b""
            return data
        return await self._receive()

    async def _receive(self) -> bytes:
        try:
            async with asyncio.timeout(self._deadline_s):
                data = await self._reader.read(_READ_BYTES)
        except ConnectionError:
            raise Cut(reset=True) from None
        if not data:
            raise Cut(reset=False)
        self.received += data
        return data

    async def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += await self._receive()
        data, self._held = self._held[:count], self._held[count:]
        return data

    async def until(self, mark: bytes) -> bytes:
        """Bytes up to `mark`, which is taken and left out."""
        while mark not in self._held:
            self._held += await self._receive()
        data, _, self._held = self._held.partition(mark)
        return data

    async def end(self) -> tuple[bytes, bool]:
        """Everything up to the end of the connection, and whether that was an RST."""
        data, self._held = self._held, b""
        try:
            while True:
                data += await self._receive()
        except Cut as cut:
            return data, cut.reset

    async def glance(self) -> None:
        """Receive available bytes, to show them with a failure."""
        with contextlib.suppress(Cut, TimeoutError):
            async with asyncio.timeout(0.1):
                self._held += await self._receive()

    def close(self) -> None:
        self._writer.close()

    def half_close(self) -> None:
        self._writer.write_eof()

    def pause_reading(self) -> None:
        """Receive nothing more, so that the kernel's buffer fills up."""
        cast(asyncio.ReadTransport, self._writer.transport).pause_reading()

    def shrink_buffers(self) -> None:
        """Set small kernel buffers on this side, so that the facade has to buffer."""
        sock = cast(socket.socket, self._writer.get_extra_info("socket"))
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SMALL_BUFFER_BYTES)

    @property
    def is_closing(self) -> bool:
        """Whether the connection is lost, or closed from this side."""
        return self._writer.is_closing()

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The other side's certificate as `ssl` returns it; None without one."""
        return cast("dict[str, Any] | None", self._writer.get_extra_info("peercert"))

    def abort(self) -> None:
        """Drop the connection without a TLS close notify."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """End the connection with RST, not FIN."""
        sock = cast(socket.socket, self._writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Close this side, and wait until that is done."""
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(DEADLINE_S):
                await self._writer.wait_closed()

    # --- messages -----------------------------------------------------------------------------------

    async def request(self) -> Message:
        """The next request, whole."""
        begin = self._position
        head = await self.request_head()
        body = await self.rest()
        return Message(head, body, self.trailers, self._since(begin))

    async def request_head(self) -> Head:
        head = _parsed(await self.until(b"\r\n\r\n"))
        method, target, version = head.line.split(b" ")
        assert (bool(method), bool(target), version) == (True, True, b"HTTP/1.1"), head.line
        self._expect(head, "none")
        return head

    async def respond(self, body: bytes = b"ok") -> None:
        """Receive a request, and send a 200 with a length."""
        await self.request()
        self.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def response(self, to: str = "GET") -> Message:
        """The final response to a request of that method, with the interim ones before it."""
        interim: list[Head] = []
        begin = self._position
        while (head := await self.response_head(to)).status < 200:
            interim.append(head)
            begin = self._position
        body = await self.rest()
        return Message(head, body, self.trailers, self._since(begin), interim)

    async def response_head(self, to: str = "GET") -> Head:
        head = _parsed(await self.until(b"\r\n\r\n"))
        assert re.fullmatch(rb"HTTP/1\.1 [1-5][0-9]{2} [\t -~\x80-\xff]*", head.line), head.line
        if head.status < 200 or head.status in (204, 304) or to == "HEAD":
            self._framing, self.trailers = "none", []
        else:
            self._expect(head, "until_close")
        return head

    @property
    def _position(self) -> int:
        """How much of `received` is read as messages."""
        return len(self.received) - len(self._held)

    def _since(self, begin: int) -> bytes:
        return bytes(self.received[begin : self._position])

    def _expect(self, head: Head, otherwise: Framing) -> None:
        lengths, codings = head.all(b"content-length"), head.all(b"transfer-encoding")
        assert len(lengths) + len(codings) <= 1, f"contradictory framing: {head}"
        assert codings in ([], [b"chunked"]), head
        self._framing = "chunked" if codings else "length" if lengths else otherwise
        self._left = int(lengths[0]) if lengths else 0
        self.trailers = []

    async def piece(self, count: int) -> bytes:
        """The next `count` bytes of the body, whatever its framing. Raises Cut."""
        data = b""
        while len(data) < count:
            if self._framing == "chunked" and not self._left:
                self._left = int(await self.until(b"\r\n"), 16)
                assert self._left, f"the body ended after {data!r}"
            wanted = count - len(data)
            if self._framing in ("chunked", "length"):
                wanted = min(wanted, self._left)
                assert wanted, f"the body ended after {data!r}"
                self._left -= wanted
            data += await self.exactly(wanted)
            if self._framing == "chunked" and not self._left:
                assert await self.exactly(2) == b"\r\n"
        return data

    async def rest(self) -> bytes:
        """The rest of the body, up to the end of the message. Raises Cut."""
        if self._framing == "none":
            return b""
        if self._framing == "length":
            left, self._left = self._left, 0
            return await self.exactly(left)
        if self._framing == "until_close":
            data, was_reset = await self.end()
            if was_reset:
                raise Cut(reset=True)
            return data
        return await self._chunks()

    async def _chunks(self) -> bytes:
        parts: list[bytes] = []
        if self._left:
            parts.append(await self.exactly(self._left + 2))
        while size := int(await self.until(b"\r\n"), 16):
            parts.append(await self.exactly(size + 2))
        self._left = 0
        lines = b""
        while line := await self.until(b"\r\n"):
            lines += b"\r\n" + line
        self.trailers = _parsed(lines).fields
        assert all(part.endswith(b"\r\n") for part in parts)
        return b"".join(part[:-2] for part in parts)


def _parsed(text: bytes) -> Head:
    line, *rest = text.split(b"\r\n")
    fields: Pairs = []
    for each in rest:
        match = _FIELD.fullmatch(each)
        assert match is not None, f"not a header field: {each!r}"
        fields.append((match[1].lower(), match[2].strip(b" \t")))
    return Head(line, fields, text)


@contextlib.asynccontextmanager
async def connected(
    host: str, port: int, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Wire]:
    """A client connection, closed on the way out."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=name, limit=_READ_BYTES
        )
    wire = Wire(reader, writer)
    try:
        yield wire
    finally:
        await wire.closed()
