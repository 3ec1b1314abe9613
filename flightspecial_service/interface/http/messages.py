"""Requests and responses as values, on top of ASGI."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from flightspecial_service.domain import ID_MAX
from flightspecial_service.errors import Malformed, NotFound, TooLarge, TooSlow, WrongMediaType

HeaderPair = tuple[bytes, bytes]
HeaderPairs = tuple[HeaderPair, ...]

MAX_BODY_BYTES = 64 * 1024
"""More than enough: a header of 255 characters takes 3 KiB at most, with all characters escaped."""
BODY_TIMEOUT_S = 10.0

JSON_TYPES = ("application/json",)

_ID = re.compile(r"[1-9][0-9]{0,18}")


class ClientGone(Exception):
    """The client disconnected before its request was complete; no response is sent."""


class Response(Struct, frozen=True):
    """A complete response. Content-Length is added when it is sent."""

    status: int
    body: bytes
    headers: HeaderPairs = ()


class Request(Struct, frozen=True):
    """An ASGI request with the accessors that handlers need."""

    scope: Scope
    receive: Receive

    def number(self, name: str) -> int:
        """The id in the path. Raises NotFound if it is no valid id: there is no such resource."""
        text: str = self.scope["path_params"][name]
        number = int(text) if _ID.fullmatch(text) else 0
        if not 1 <= number <= ID_MAX:
            raise NotFound("an id in a path is a number from 1 to 9223372036854775807")
        return number

    def header(self, name: bytes) -> str | None:
        """The first field line of this lower-case name."""
        pairs: list[tuple[bytes, bytes]] = self.scope["headers"]
        return next((value.decode("latin-1") for key, value in pairs if key == name), None)

    def listed(self, name: bytes) -> str | None:
        """All field lines of this lower-case name, combined into one list (RFC 9110 5.3)."""
        pairs: list[tuple[bytes, bytes]] = self.scope["headers"]
        values = [value for key, value in pairs if key == name]
        return b", ".join(values).decode("latin-1") if values else None

    async def json_body(
        self, timeout_s: float = BODY_TIMEOUT_S, types: tuple[str, ...] = JSON_TYPES
    ) -> bytes:
        """The body, if its Content-Type is one of these types; it is not parsed yet.

        Raises WrongMediaType, TooLarge, TooSlow, Malformed, ClientGone.
        """
        self._check_media_type(types)
        length = self.header(b"content-length")
        if length is not None and int(length) > MAX_BODY_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read()
        except TimeoutError as error:
            raise TooSlow(f"the body did not arrive within {timeout_s:g} seconds") from error

    def _check_media_type(self, types: tuple[str, ...]) -> None:
        # RFC 5789 2.2 has a field of its own for PATCH; RFC 9110 15.5.16 has Accept.
        patching = self.scope["method"] == "PATCH"
        accepted = ("accept-patch" if patching else "accept", ", ".join(types))
        media_type, *parameters = (self.header(b"content-type") or "").lower().split(";")
        charsets = [value.strip() for value in parameters if value.strip().startswith("charset=")]
        if media_type.strip() not in types:
            raise WrongMediaType(f"send the body as {' or '.join(types)}", accepted)
        if any(
            charset.removeprefix("charset=").strip('"') not in ("utf-8", "utf8")
            for charset in charsets
        ):
            raise WrongMediaType("send the body in UTF-8", accepted)
        if self.header(b"content-encoding") not in (None, "identity"):
            coding = ("accept-encoding", "identity")
            raise WrongMediaType("send the body without a content coding", coding)

    async def _read(self) -> bytes:
        body = bytearray()
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
            more = message.get("more_body", False)
        if not body:
            raise Malformed("the body is empty; a JSON object is needed")
        return bytes(body)


Handler = Callable[[Request], Awaitable[Response]]


async def send_response(response: Response, send: Send) -> None:
    """Send the response. The server omits the body for HEAD."""
    headers = list(response.headers)
    # RFC 9110 8.6: none in a 204; in a 304 it would be the length of the 200.
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _too_large() -> TooLarge:
    return TooLarge(f"a body has at most {MAX_BODY_BYTES} bytes")
