"""The HTTP side of the dashboard: header fields of its responses, refusals, bodies, and its files."""

import asyncio
from importlib.resources import files

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as RoutePath
from starlette.types import Receive, Scope, Send

from proxy.dashboard.access import COOKIE, SESSION_S
from proxy.dashboard.live import MAX_VIEWERS, Live, TooManyViewers
from proxy.dashboard.view import View

MAX_FORM_BYTES = 64 * 1024
STATIC = {
    "/dashboard.css": "text/css; charset=utf-8",
    "/dashboard.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: then the Origin of a form would be `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_MAX_SEARCH = 200


class Refused(Exception):
    """A request that gets a page with one sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


async def body_of(request: Request) -> bytes:
    """The body of a form. Raises Refused. The listener bounds the time."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM_BYTES:
                raise Refused(413, "This form is larger than 64 KiB: nothing was changed.")
    except ClientDisconnect:
        raise Refused(400, "The form was not complete.") from None
    return body


def view_of(request: Request) -> View:
    """The search and the page of a request; unusable values count as none."""
    parameters = request.query_params
    page = parameters.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return View(parameters.get("search", "")[:_MAX_SEARCH].strip(), max(1, number))


def html(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html; charset=utf-8")


def set_cookie(response: Response, session: str) -> None:
    # Not `Secure`: the admin listener speaks plain HTTP.
    response.set_cookie(COOKIE, session, max_age=SESSION_S, httponly=True, samesite="strict")


def too_many_viewers() -> Response:
    text = f"{MAX_VIEWERS} pages are open already: close one, or reload this page by hand\n"
    return Response(text, 503, {"connection": "close", "retry-after": "10"}, "text/plain")


def static_route(path: str, kind: str) -> RoutePath:
    """A file of the package."""
    content = files("proxy.dashboard").joinpath("static", path[1:]).read_bytes()

    async def serve_file(_: Request) -> Response:
        return Response(content, 200, {**HEADERS, "cache-control": "max-age=300"}, kind)

    return RoutePath(path, serve_file)


class EventStream(Response):
    """The events of one viewer (Server-Sent Events, HTML 9.2). Ends with the connection."""

    def __init__(self, live: Live, view: View) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._live = live
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._live.viewer():
                await self._serve(receive, send)
        except TooManyViewers:
            await too_many_viewers()(scope, receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        tasks = (asyncio.create_task(self._write(send)), asyncio.create_task(_gone(receive)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _write(self, send: Send) -> None:
        async for event in self._live.events(self._view):
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
