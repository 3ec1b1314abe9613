"""The admin listeners of all replicas: every address behind each name is asked, all at the same time."""

import asyncio
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from proxy.analysis.confidence import proportion_bounds
from proxy.analysis.figures import FiguresReport, Parity
from proxy.control.rollout.window import Reports, unique
from proxy.errors import FacadeError

_TIMEOUT_S = 5.0
_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_ADDRESSES = 256


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
        self._urls = urls
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # No proxy from the environment: the admin listeners are on this machine or in its network.
        self._client = httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S, headers=headers)

    async def __aenter__(self) -> "Admins":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def reports(self, route: str, alpha: float, *, with_parity: bool) -> Reports:
        """The reports of all replicas, and the parity of a route. Raises TokenRefused; bounded by a few seconds."""
        addresses, missing = await self._addresses()
        bodies = await asyncio.gather(*(self._figures(each) for each in addresses))
        found = [each for each in bodies if isinstance(each, FiguresReport)]
        missing += [each for each in bodies if isinstance(each, str)]
        parity = None
        if with_parity and not missing:
            parity = await self._parity(addresses, route, alpha)
        return Reports(unique(found), missing[0] if missing else "", parity)

    async def _addresses(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Each address as a URL with the Host that belongs to it."""
        found: list[tuple[str, str]] = []
        missing: list[str] = []
        loop = asyncio.get_running_loop()
        for url in self._urls:
            parts = urlsplit(url)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    infos = await loop.getaddrinfo(
                        parts.hostname, parts.port or 80, type=socket.SOCK_STREAM
                    )
            except (OSError, TimeoutError):
                missing.append(f"the name in {url} has no address")
                continue
            for host in sorted({str(info[4][0]) for info in infos})[:_MAX_ADDRESSES]:
                shown = f"[{host}]" if ":" in host else host
                found.append((f"http://{shown}:{parts.port or 80}", parts.netloc))
        return found, missing

    async def _figures(self, address: tuple[str, str]) -> FiguresReport | str:
        try:
            body = await self._get(address, "/figures", {})
            return msgspec.json.decode(body, type=FiguresReport)
        except _NoAnswer as error:
            return str(error)
        except msgspec.DecodeError:
            return f"what answers at {address[0]} has no figures"

    async def _parity(
        self, addresses: list[tuple[str, str]], route: str, alpha: float
    ) -> Parity | None:
        """The parity over all replicas. None if nothing is compared, or one does not say."""
        counts: list[_ParityCounts] = []
        for address in addresses:
            try:
                body = await self._get(address, "/parity", {"route": route})
                counts.append(msgspec.json.decode(body, type=_ParityCounts))
            except (_NoAnswer, msgspec.DecodeError):
                return None
        if len(counts) == 1:
            one = counts[0]
            return Parity(one.compared, one.share, one.lower_bound, one.upper_bound)
        compared = sum(each.compared for each in counts)
        equal = sum(round(each.share * each.compared) for each in counts)
        bounds = proportion_bounds(equal, compared, alpha)
        return Parity(compared, equal / compared, *bounds) if compared else None

    async def _get(
        self, address: tuple[str, str], path: str, parameters: Mapping[str, str]
    ) -> bytes:
        url, host = address
        body = bytearray()
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._client.stream(
                    "GET", url + path, params=parameters, headers={"host": host}
                ) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _MAX_BODY_BYTES:
                        raise _NoAnswer(f"{url} answers without end")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _NoAnswer(
                f"{url} does not answer: {str(error) or type(error).__name__}"
            ) from None
        if response.status_code == 401:
            raise TokenRefused(
                f"facade: {url} asks for a token: name the file that holds it with --admin-token-file"
            )
        if response.status_code != 200:
            raise _NoAnswer(f"{url} answers {path} with {response.status_code}")
        return bytes(body)
