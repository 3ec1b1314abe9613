"""A backend that fails as a test wants it, and counts what it gets."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from tests.support.origin import Origin, ok, origin
from tests.support.wire import Message, Wire


def status(code: int, body: bytes = b"no", *fields: bytes) -> bytes:
    """A response with a length."""
    lines = (b"HTTP/1.1 %d No" % code, b"content-length: %d" % len(body), *fields, b"", body)
    return b"\r\n".join(lines)


class IllBackend:
    """Responds with `how`: bytes, or one of `frozen` and `reset`. `next` has other behaviours for the next requests."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.how: bytes | str = ok(b'["%b"]' % name)
        self.next: list[bytes | str] = []
        self.requests: list[Message] = []
        self.waiting = 0
        self.released = asyncio.Event()
        self.server: Origin | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    @property
    def seen(self) -> Counter[str]:
        """How often each method came."""
        return Counter(each.head.line.split(b" ")[0].decode() for each in self.requests)

    async def __call__(self, wire: Wire) -> None:
        while True:
            self.requests.append(await wire.request())
            how = self.next.pop(0) if self.next else self.how
            if how == "frozen":
                self.waiting += 1
                await self.released.wait()
                self.waiting -= 1
                return
            if isinstance(how, str):
                wire.reset()
                return
            wire.send(how)
            await wire.flush()


@contextlib.asynccontextmanager
async def ill_backends(*names: bytes) -> AsyncIterator[list[IllBackend]]:
    """Backends that are well."""
    async with contextlib.AsyncExitStack() as stack:
        found = [IllBackend(name) for name in names]
        for each in found:
            each.server = await stack.enter_async_context(origin(each))
        try:
            yield found
        finally:
            for each in found:
                each.released.set()
