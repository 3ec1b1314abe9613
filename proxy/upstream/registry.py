"""The upstreams of all backends. A reload of the table keeps those that did not change, and closes the others."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping

from proxy.errors import UpstreamUnreachable
from proxy.model import Backend, TlsContexts
from proxy.upstream import Stats, Upstream

log = logging.getLogger(__name__)

Open = Callable[[Backend, ssl.SSLContext | None], Upstream]
"""Opens the upstream of a backend. The context is for its https endpoints."""


class UpstreamRegistry:
    """Owns one `Upstream` for each backend, and one task for each upstream that is closing.

    `grace_s` limits how long active requests keep an upstream that the table no longer has.
    """

    def __init__(self, open_upstream: Open, grace_s: float) -> None:
        self._open = open_upstream
        self._grace_s = grace_s
        self._current: dict[Backend, Upstream] = {}
        self._contexts: TlsContexts = {}
        self._previous_contexts: TlsContexts = {}
        self._closing: set[asyncio.Task[None]] = set()

    def adopt(self, backends: Mapping[str, Backend], contexts: TlsContexts) -> None:
        """Open an upstream for each new backend. Upstreams of other backends finish their requests and close."""
        self._previous_contexts, self._contexts = self._contexts, contexts
        wanted = set(backends.values())
        for backend in wanted - self._current.keys():
            self._current[backend] = self._open(backend, contexts.get(backend.tls))
        for backend in self._current.keys() - wanted:
            upstream = self._current.pop(backend)
            task = asyncio.get_running_loop().create_task(self._close(backend, upstream))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def of(self, backend: Backend) -> Upstream:
        """The upstream of a backend. Raises UpstreamUnreachable for a replaced backend whose certificates are gone."""
        upstream = self._current.get(backend)
        if upstream is None:
            # The request began before a reload replaced its backend: open the upstream once more.
            upstream = self._current[backend] = self._open(backend, self._context(backend))
        return upstream

    def _context(self, backend: Backend) -> ssl.SSLContext | None:
        for contexts in (self._contexts, self._previous_contexts):
            if backend.tls in contexts:
                return contexts[backend.tls]
        if backend.tls is not None:
            text = f"backend {backend.name} has other certificates by now"
            raise UpstreamUnreachable(text, backend.name)
        return None

    def stats(self) -> dict[str, Stats]:
        """The connections of each backend, by its name."""
        return {backend.name: upstream.stats() for backend, upstream in self._current.items()}

    async def _close(self, backend: Backend, upstream: Upstream) -> None:
        log.info("backend %s changed or left the table: closing its connections", backend.name)
        await upstream.aclose(self._grace_s)

    async def aclose(self) -> None:
        """Close every upstream. Active requests get `grace_s` seconds."""
        upstreams = [upstream.aclose(self._grace_s) for upstream in self._current.values()]
        self._current = {}
        await asyncio.gather(*upstreams, *self._closing, return_exceptions=True)
