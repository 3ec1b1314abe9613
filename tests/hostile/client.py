"""A client that sends bytes as they are and reads responses as strictly as the RFC."""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)")


class Ended(Exception):
    """The connection ended where a response could have begun."""


class Silent(Exception):
    """Nothing came in time."""


class Nonsense(Exception):
    """What was received is no response."""


class _Cut(Exception):
    """The connection ended inside a response; `clean` if by FIN."""

    def __init__(self, clean: bool) -> None:
        super().__init__()
        self.clean = clean


@dataclass
class Reply:
    """A response as far as it was received."""

    status: int
    head: bytes
    fields: dict[bytes, bytes]
    body: bytes = b""
    complete: bool = False
    interim: list[int] = field(default_factory=list)


class Client:
    """One connection. `patience_s` bounds each wait."""

    def __init__(self, address: tuple[str, int], patience_s: float) -> None:
        self._socket = socket.create_connection(address, patience_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._patience_s = patience_s
        self._deadline = 0.0
        self._buffer = b""
        self.heard = b""
        """All that came."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send what the other side takes: one that has refused may have closed already."""
        with suppress(OSError):
            self._socket.sendall(data)

    def reply(self, method: str = "GET") -> Reply:
        """The next response. Raises Ended, Silent or Nonsense."""
        self._deadline = time.monotonic() + self._patience_s
        interim: list[int] = []
        while True:
            reply = self._head()
            if reply.status >= 200:
                break
            interim.append(reply.status)
        reply.interim = interim
        try:
            self._body(reply, method)
            reply.complete = True
        except _Cut:
            pass
        except Silent:
            raise Nonsense(
                f"a response that does not go on: {reply.head!r} {reply.body!r}"
            ) from None
        return reply

    def ends(self) -> bool:
        """Whether the connection ends now, without another byte."""
        self._deadline = time.monotonic() + self._patience_s
        if self._buffer:
            return False
        try:
            self._more()
        except _Cut:
            return True
        except Silent:
            return False
        return False

    def _head(self) -> Reply:
        try:
            while b"\r\n\r\n" not in self._buffer:
                self._more()
        except _Cut:
            if not self._buffer:
                raise Ended from None
            raise Nonsense(f"not a response: {self._buffer[:300]!r}") from None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        status = _STATUS.fullmatch(line)
        if status is None:
            raise Nonsense(f"a status line that is none: {line[:200]!r}")
        fields: dict[bytes, bytes] = {}
        for each in rest:
            matched = _FIELD.fullmatch(each)
            if matched is None:
                raise Nonsense(f"a field that is none: {each[:200]!r}")
            fields[matched[1].lower()] = matched[2].rstrip()
        return Reply(int(status[1]), head + b"\r\n", fields)

    def _body(self, reply: Reply, method: str) -> None:
        coding, length = (
            reply.fields.get(b"transfer-encoding"),
            reply.fields.get(b"content-length"),
        )
        if method == "HEAD" or reply.status in (204, 304):
            return
        if coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise Nonsense(f"framing that is not plain: {reply.head!r}")
            self._chunks(reply)
        elif length is not None:
            if not length.isdigit():
                raise Nonsense(f"a length that is no number: {length!r}")
            self._exactly(int(length), reply)
        else:
            self._to_the_end(reply)

    def _chunks(self, reply: Reply) -> None:
        while True:
            line = self._line()
            if re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line) is None:
                raise Nonsense(f"a chunk size that is not plain: {line[:80]!r}")
            size = int(line, 16)
            if not size:
                break
            self._exactly(size, reply)
            if self._line():
                raise Nonsense("a chunk that is longer than its size")
        while self._line():
            pass

    def _to_the_end(self, reply: Reply) -> None:
        while True:
            reply.body += self._buffer
            self._buffer = b""
            try:
                self._more()
            except _Cut as end:
                if not end.clean:
                    raise
                return

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _exactly(self, count: int, reply: Reply) -> None:
        while count:
            if not self._buffer:
                self._more()
            part, self._buffer = self._buffer[:count], self._buffer[count:]
            reply.body += part
            count -= len(part)

    def _more(self) -> None:
        self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise Silent from None
        except OSError:
            raise _Cut(clean=False) from None
        if not data:
            raise _Cut(clean=True)
        self._buffer += data
        self.heard += data
