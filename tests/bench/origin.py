"""The origin: answers every request with the same 0.5 KB, as cheaply as Python can. argv: port."""

import asyncio
import sys
from typing import cast

import uvloop

_BODY = b'{"special":"' + b"x" * 488 + b'"}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class Origin(asyncio.Protocol):
    """Counts the ends of request heads. Enough for requests without a body."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        seen = self._tail + data
        requests = seen.count(b"\r\n\r\n")
        self._tail = seen[seen.rfind(b"\r\n\r\n") + 4 :] if requests else seen
        if requests:
            self._transport.write(_ANSWER * requests)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Origin, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
