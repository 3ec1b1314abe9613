"""Reloads what a process holds of files when a signal asks for it. Requests and connections go on meanwhile."""

import asyncio
import contextlib

from proxy.control.table_watcher import TableWatcher
from proxy.server.listener_tls import ListenerTls
from proxy.server.service_manager import ServiceManager
from proxy.telemetry.access_log import AccessLog

_POLL_S = 1.0


class Reloader:
    """Signal handlers call `reload` and `reopen_log` on the event loop. `Facade.running` owns the task of `run`."""

    def __init__(
        self, watcher: TableWatcher, access_log: AccessLog, manager: ServiceManager
    ) -> None:
        self._watcher = watcher
        self._access_log = access_log
        self._manager = manager
        self._requested = asyncio.Event()
        self.tls: ListenerTls | None = None
        """The certificates to watch, once the traffic listener uses them."""

    def reload(self) -> None:
        """Read the table again, and reopen the access log. Requests to reload that come together count as one."""
        self.reopen_log()
        self._requested.set()

    def reopen_log(self) -> None:
        """Open the access log again at its path: a tool has renamed the file."""
        self._access_log.reopen()

    async def run(self) -> None:
        """Reload on request, and watch the certificates, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._requested.wait()
            if not self._requested.is_set():
                await self._refresh_tls()
                continue
            self._requested.clear()
            self._manager.reloading()
            await self._watcher.reload()
            await self._refresh_tls()
            self._manager.ready()

    async def _refresh_tls(self) -> None:
        if self.tls is not None:
            await self.tls.refresh()
