"""The origin behind a contestant: a thread a connection, reads as strictly as the RFC and remembers.

It responds `seen` to every request, its target to `/probe-…`, before the body to `/early…`, and what the
case says to `/case…`.
"""

import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.hostile.cases import Hostile

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class _Ended(Exception):
    """The other side closed or reset."""


class _Faulty(Exception):
    """What came is not a request as RFC 9112 wants it."""


@dataclass
class Taken:
    """A request as far as it came."""

    head: bytes
    body: bytes = b""
    complete: bool = False
    ended: bool = False
    """Its connection was closed before it was complete."""

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0].rpartition(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.line.partition(b" ")[2]

    @property
    def is_probe(self) -> bool:
        return self.target.startswith(b"/probe-")


@dataclass
class Origin:
    """Listens on a free port between `start` and `stop`."""

    taken: list[Taken] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    response: Hostile | None = None
    played: bool = False
    """All pieces of the case's response are sent."""
    port: int = 0
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with suppress(OSError):  # shutdown wakes the accepting thread, if it still runs.
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def begin(self, response: Hostile | None = None) -> None:
        """Forget what was received; `response` is for `/case…` from now on."""
        self.taken, self.faults, self.response, self.played = [], [], response, False

    def of_case(self) -> list[Taken]:
        """What came since `begin`, but for probes."""
        return [taken for taken in tuple(self.taken) if not taken.is_probe]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk = _Talk(self, connection)
        try:
            while talk.one():
                pass
        except _Ended:
            if talk.buffer and not talk.in_body:
                self.faults.append(f"a head without its end: {talk.buffer[:200]!r}")
        except _Faulty as fault:
            self.faults.append(str(fault))
        finally:
            if talk.current is not None and not talk.current.complete:
                talk.current.ended = True
            with suppress(OSError):
                connection.close()
            self._open.discard(connection)


class _Talk:
    """One connection, request after request."""

    def __init__(self, origin: Origin, connection: socket.socket) -> None:
        self._origin = origin
        self._socket = connection
        self.buffer = b""
        self.in_body = False
        self.current: Taken | None = None

    def one(self) -> bool:
        """Receive a request and respond. False once the connection is to be closed."""
        taken = Taken(self._head())
        self.current = taken
        self._origin.taken.append(taken)
        fields = _fields(taken.head)
        early = taken.target.startswith(b"/early")
        if early:
            self._send(_ok(b"early"))
        self.in_body = True
        self._body(taken, fields)
        self.in_body = False
        taken.complete = True
        scripted = self._origin.response if taken.target.startswith(b"/case") else None
        if scripted is not None:
            return self._play(scripted)
        if not early:
            quiet = taken.head.startswith(b"HEAD ")
            self._send(_ok(taken.target if taken.is_probe else b"seen", quiet=quiet))
        return True

    def _play(self, response: Hostile) -> bool:
        for number, piece in enumerate(response.pieces):
            if number:
                time.sleep(0.02)  # So that the pieces arrive as pieces.
            self._send(piece)
        self._origin.played = True
        if response.end == "reset":
            time.sleep(0.02)  # A reset overtakes what is still queued.
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return response.end == "stay"

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def _body(self, taken: Taken, fields: dict[bytes, bytes]) -> None:
        coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise _Faulty(f"framing that is not plain: {taken.head!r}")
            while size := self._chunk_size():
                self._exactly(size, taken)
                if self._line():
                    raise _Faulty("a chunk that is longer than its size")
            while self._line():
                pass
        elif length is not None:
            if not length.isdigit():
                raise _Faulty(f"a length that is no number: {length!r}")
            self._exactly(int(length), taken)

    def _chunk_size(self) -> int:
        line = self._line()
        if _SIZE.fullmatch(line) is None:
            raise _Faulty(f"a chunk size that is not plain: {line[:80]!r}")
        return int(line, 16)

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _exactly(self, count: int, taken: Taken) -> None:
        while count:
            if not self.buffer:
                self._more()
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            taken.body += part
            count -= len(part)

    def _more(self) -> None:
        try:
            data = self._socket.recv(65536)
        except OSError:
            raise _Ended from None
        if not data:
            raise _Ended
        self.buffer += data

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise _Ended from None


def _fields(request_head: bytes) -> dict[bytes, bytes]:
    """Its fields by lower-case name. Raises _Faulty for all that RFC 9112 calls malformed."""
    line, *rest = request_head[:-4].split(b"\r\n")
    if _LINE.fullmatch(line) is None:
        raise _Faulty(f"a request line that is none: {line[:200]!r}")
    fields: dict[bytes, bytes] = {}
    for each in rest:
        matched = _FIELD.fullmatch(each)
        if matched is None:
            raise _Faulty(f"a field that is none: {each[:200]!r}")
        name = matched[1].lower()
        if name in fields and name in (b"host", b"content-length", b"transfer-encoding"):
            raise _Faulty(f"{name.decode()} twice")
        fields[name] = matched[2].rstrip()
    if b"host" not in fields and line.endswith(b"1.1"):
        raise _Faulty("no Host")
    return fields


def _ok(body: bytes, quiet: bool = False) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head if quiet else head + body
