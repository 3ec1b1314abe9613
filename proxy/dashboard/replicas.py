"""The tables of all replicas, from their admin listeners. They are asked while somebody looks at the page (ADR 35)."""

import asyncio
import time
from collections.abc import Callable, Mapping

from proxy.control.admin_listeners import AdminAddress, AdminLimits, AdminListeners, NoResponse
from proxy.dashboard.replica_report import PATH, ReplicaReport, read_report
from proxy.dashboard.replica_rows import Found, ReplicaRow, replica_rows

_LIMITS = AdminLimits(timeout_s=1.5, max_body_bytes=64 * 1024, max_addresses=64)
_MAX_REPLICAS = 64
_EVERY_S = 2.0
_LOOK_S = 0.5
_REASONS = {
    401: "it has another admin token, or a clock that differs by minutes",
    404: "no admin listener of a facade, or one of another version",
}


class Replicas:
    """The replicas at `urls`. `credentials` makes what a request to them carries; `own` the report of this one."""

    def __init__(
        self,
        urls: tuple[str, ...],
        credentials: Callable[[], Mapping[str, str]],
        own: Callable[[], ReplicaReport],
    ) -> None:
        self._credentials = credentials
        self._own = own
        self._listeners = AdminListeners(urls, _LIMITS)
        self._asking = asyncio.Lock()
        self._asked_at = -_EVERY_S
        self._found: tuple[Found, ...] = ()

    def rows(self) -> list[ReplicaRow]:
        """As they were found last."""
        return replica_rows(self._found, self._own())

    async def run(self, is_watched: Callable[[], bool], changed: Callable[[], None]) -> None:
        """Refresh while somebody looks, until cancelled. `Live.run` owns the task."""
        async with self._listeners:
            while True:
                if is_watched() and await self.refresh():
                    changed()
                await asyncio.sleep(_LOOK_S)

    async def refresh(self) -> bool:
        """Ask all of them, unless that was done a moment ago. Returns whether something is new. Takes 3 s at most."""
        async with self._asking:
            if time.monotonic() - self._asked_at < _EVERY_S:
                return False
            before, self._found = self._found, await self._ask_all()
            self._asked_at = time.monotonic()
            return before != self._found

    async def _ask_all(self) -> tuple[Found, ...]:
        addresses, missing = await self._listeners.addresses()
        found = await asyncio.gather(*(self._ask(each) for each in addresses[:_MAX_REPLICAS]))
        if more := len(addresses) - len(found):
            missing.append(f"{more} more addresses are not asked: at most {_MAX_REPLICAS} are")
        return (*found, *(Found("–", None, text) for text in missing))

    async def _ask(self, address: AdminAddress) -> Found:
        # A connection for each request: none is kept open to a replica that has ended.
        headers = {"connection": "close", **self._credentials()}
        try:
            status, body = await self._listeners.get(address, PATH, headers=headers)
            if status == 200:
                return Found(address.place, read_report(body))
        except NoResponse as error:
            return Found(address.place, None, str(error))
        except (ValueError, RecursionError):
            status = 404
        return Found(address.place, None, _REASONS.get(status, f"its status is {status}"))
