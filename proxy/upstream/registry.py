"""The upstreams of all backends: kept over a reload where nothing changed, retired where something did."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping

from proxy.errors import UpstreamUnreachable
from proxy.model import Backend, TlsContexts
from proxy.upstream import Stats, Upstream

log = logging.getLogger(__name__)

Open = Callable[[Backend, ssl.SSLContext | None], Upstream]
"""Opens the upstream of a backend; the context is for its https endpoints."""


class UpstreamRegistry:
    """Owns one `Upstream` a backend, and one task for each that is being retired.

    `grace_s` bounds how long requests in flight keep an upstream that the table no longer has.
    """

    def __init__(self, open_upstream: Open, grace_s: float) -> None:
        self._open = open_upstream
        self._grace_s = grace_s
        self._current: dict[Backend, Upstream] = {}
        self._contexts: TlsContexts = {}
        self._earlier: TlsContexts = {}
        self._retiring: set[asyncio.Task[None]] = set()

    def adopt(self, backends: Mapping[str, Backend], contexts: TlsContexts) -> None:
        """Have an upstream for each backend; those that none needs any more finish and close."""
        self._earlier, self._contexts = self._contexts, contexts
        wanted = set(backends.values())
        for backend in wanted - self._current.keys():
            self._current[backend] = self._open(backend, contexts.get(backend.tls))
        for backend in self._current.keys() - wanted:
            upstream = self._current.pop(backend)
            task = asyncio.get_running_loop().create_task(self._retire(backend, upstream))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def of(self, backend: Backend) -> Upstream:
        """The upstream of a backend of some snapshot; one that was just retired is opened anew for it.

        Raises UpstreamUnreachable where its certificates are gone.
        """
        upstream = self._current.get(backend)
        if upstream is None:
            # A request that began before the swap, and comes to its upstream after it.
            upstream = self._current[backend] = self._open(backend, self._context(backend))
        return upstream

    def _context(self, backend: Backend) -> ssl.SSLContext | None:
        for contexts in (self._contexts, self._earlier):
            if backend.tls in contexts:
                return contexts[backend.tls]
        if backend.tls is not None:
            text = f"backend {backend.name} has other certificates by now"
            raise UpstreamUnreachable(text, backend.name)
        return None

    def stats(self) -> dict[str, Stats]:
        """What the connections of each backend do now, by its name."""
        return {backend.name: upstream.stats() for backend, upstream in self._current.items()}

    async def _retire(self, backend: Backend, upstream: Upstream) -> None:
        log.info("backend %s changed or left the table: closing its connections", backend.name)
        await upstream.aclose(self._grace_s)

    async def aclose(self) -> None:
        """Close every upstream; requests in flight get the grace."""
        closing = [upstream.aclose(self._grace_s) for upstream in self._current.values()]
        self._current = {}
        await asyncio.gather(*closing, *self._retiring, return_exceptions=True)
