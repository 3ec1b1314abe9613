"""Reloads what a process holds of files when a signal asks for it. Requests and connections go on meanwhile."""

import asyncio

from proxy.control.table_watcher import TableWatcher
from proxy.server.service_manager import ServiceManager
from proxy.telemetry.access_log import AccessLog


class Reloader:
    """Signal handlers call `reload` and `reopen_log` on the event loop. `Facade.running` owns the task of `run`."""

    def __init__(
        self, watcher: TableWatcher, access_log: AccessLog, manager: ServiceManager
    ) -> None:
        self._watcher = watcher
        self._access_log = access_log
        self._manager = manager
        self._requested = asyncio.Event()

    def reload(self) -> None:
        """Read the table again, and reopen the access log. Requests to reload that come together count as one."""
        self.reopen_log()
        self._requested.set()

    def reopen_log(self) -> None:
        """Open the access log again at its path: a tool has renamed the file."""
        self._access_log.reopen()

    async def run(self) -> None:
        """Reload until cancelled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            self._manager.reloading()
            await self._watcher.reload()
            self._manager.ready()
