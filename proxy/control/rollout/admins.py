"""The admin listeners of all replicas: every address behind each name is asked, all at the same time."""

import asyncio
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from proxy.analysis.confidence import proportion_bounds
from proxy.analysis.figures import FiguresReport, Parity
from proxy.control.admin_listeners import AdminAddress, AdminLimits, AdminListeners, NoResponse
from proxy.control.rollout.window import Reports, unique
from proxy.errors import FacadeError

_LIMITS = AdminLimits(timeout_s=5.0, max_body_bytes=64 * 1024 * 1024, max_addresses=256)


class TokenRefused(FacadeError):
    """An admin listener asks for a token, or for another one."""


class _NoAnswer(Exception):
    """A replica that is missing, as a sentence."""


class _ParityCounts(Struct, frozen=True):
    """What `GET /parity` has about a route, as far as it matters here."""

    compared: int
    share: float
    lower_bound: float
    upper_bound: float


class Admins:
    """The admin listeners at `urls`. Use it as a context manager."""

    def __init__(self, urls: tuple[str, ...], token: str = "") -> None:
        self._listeners = AdminListeners(urls, _LIMITS)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def __aenter__(self) -> "Admins":
        await self._listeners.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._listeners.__aexit__(*error)

    async def reports(self, route: str, alpha: float, *, with_parity: bool) -> Reports:
        """The reports of all replicas, and the parity of a route. Raises TokenRefused; bounded by a few seconds."""
        addresses, missing = await self._listeners.addresses()
        bodies = await asyncio.gather(*(self._figures(each) for each in addresses))
        found = [each for each in bodies if isinstance(each, FiguresReport)]
        missing += [each for each in bodies if isinstance(each, str)]
        parity = None
        if with_parity and not missing:
            parity = await self._parity(addresses, route, alpha)
        return Reports(unique(found), missing[0] if missing else "", parity)

    async def _figures(self, address: AdminAddress) -> FiguresReport | str:
        try:
            body = await self._get(address, "/figures", {})
            return msgspec.json.decode(body, type=FiguresReport)
        except _NoAnswer as error:
            return str(error)
        except (ValueError, RecursionError):
            return f"what answers at {address.url} has no figures"

    async def _parity(
        self, addresses: list[AdminAddress], route: str, alpha: float
    ) -> Parity | None:
        """The parity over all replicas. None if nothing is compared, or one does not say."""
        counts: list[_ParityCounts] = []
        for address in addresses:
            try:
                body = await self._get(address, "/parity", {"route": route})
                counts.append(msgspec.json.decode(body, type=_ParityCounts))
            except (_NoAnswer, ValueError, RecursionError):
                return None
        if len(counts) == 1:
            one = counts[0]
            return Parity(one.compared, one.share, one.lower_bound, one.upper_bound)
        compared = sum(each.compared for each in counts)
        equal = sum(round(each.share * each.compared) for each in counts)
        bounds = proportion_bounds(equal, compared, alpha)
        return Parity(compared, equal / compared, *bounds) if compared else None

    async def _get(self, address: AdminAddress, path: str, parameters: Mapping[str, str]) -> bytes:
        try:
            status, body = await self._listeners.get(address, path, parameters, self._headers)
        except NoResponse as error:
            raise _NoAnswer(f"{address.url} does not answer: {error}") from None
        if status == 401:
            raise TokenRefused(
                f"facade: {address.url} asks for a token: name the file that holds it with --admin-token-file"
            )
        if status != 200:
            raise _NoAnswer(f"{address.url} answers {path} with {status}")
        return body
