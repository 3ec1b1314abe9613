"""The admin listeners behind URLs. A name may have several addresses, as a headless service in Kubernetes has."""

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from proxy.errors import FacadeError

_RESOLVER_THREADS = 2
_DEFAULT_PORT = 80


class NoResponse(FacadeError):
    """An admin listener did not respond. The message is the reason."""


class AdminLimits(Struct, frozen=True):
    """Bounds of the requests to admin listeners."""

    timeout_s: float
    """Of a request from the connection to the last byte, and of the resolution of a name."""
    max_body_bytes: int
    max_addresses: int
    """Of one name."""


class AdminAddress(Struct, frozen=True):
    """One address, and the Host that belongs to it."""

    url: str
    host: str

    @property
    def place(self) -> str:
        """Address and port."""
        return self.url.removeprefix("http://")


class AdminListeners:
    """The admin listeners at `urls`. Use it as a context manager."""

    def __init__(self, urls: tuple[str, ...], limits: AdminLimits) -> None:
        self._urls = urls
        self._limits = limits
        # Threads of its own: a resolver that hangs must not take those of other work.
        self._resolver = ThreadPoolExecutor(_RESOLVER_THREADS, "admin-names")
        # No proxy from the environment: the admin listeners are on this machine or in its network.
        self._client = httpx.AsyncClient(trust_env=False, timeout=limits.timeout_s)

    async def __aenter__(self) -> "AdminListeners":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._resolver.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def addresses(self) -> tuple[list[AdminAddress], list[str]]:
        """The addresses behind all URLs, and a sentence for each URL without one. All names are resolved together."""
        resolved = await asyncio.gather(*(self._resolve(url) for url in self._urls))
        found: dict[AdminAddress, None] = {}
        missing = []
        for url, hosts in zip(self._urls, resolved, strict=True):
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORT
            for host in hosts:
                shown = f"[{host}]" if ":" in host else host
                found[AdminAddress(f"http://{shown}:{port}", parts.netloc)] = None
            if not hosts:
                missing.append(f"the name in {url} has no address")
        return list(found), missing

    async def _resolve(self, url: str) -> list[str]:
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                infos = await asyncio.get_running_loop().run_in_executor(
                    self._resolver,
                    _stream_addresses,
                    parts.hostname or "",
                    parts.port or _DEFAULT_PORT,
                )
        except (OSError, UnicodeError, TimeoutError):
            return []
        return infos[: self._limits.max_addresses]

    async def get(
        self,
        address: AdminAddress,
        path: str,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the response. Raises NoResponse."""
        body = bytearray()
        fields = {**(headers or {}), "host": address.host}
        url = address.url + path
        try:
            async with (
                asyncio.timeout(self._limits.timeout_s),
                self._client.stream("GET", url, params=parameters, headers=fields) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > self._limits.max_body_bytes:
                        raise NoResponse(
                            f"its response has more than {self._limits.max_body_bytes:,} bytes"
                        )
        except (TimeoutError, httpx.TimeoutException):
            raise NoResponse(f"no response within {self._limits.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoResponse(str(error) or type(error).__name__) from None
        return response.status_code, bytes(body)


def _stream_addresses(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(info[4][0]) for info in infos})
