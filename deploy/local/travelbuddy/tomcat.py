"""The container around the application: paths, the redirect to the context, tracing, connections."""

import re
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy.local.travelbuddy.error_pages import status_report
from deploy.local.travelbuddy.paths import CONTEXT, BadPath, RequestPath, read_path

URL_SESSION = "url_session"
"""The key of `scope["state"]` for the session id of the path."""

_MAX_REQUESTS = 100
_TRACE = "x-amzn-trace-id"
_ROOT = re.compile(r"Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")


class Tomcat:
    """ASGI middleware. The application sees `path` as `read_path` gives it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = _trace_of(Headers(scope=scope))

        async def traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_TRACE] = trace
            await send(message)

        try:
            target = read_path(scope["raw_path"])
        except BadPath as error:
            await status_report(400, str(error))(scope, receive, traced)
            return
        if target.path == CONTEXT:
            await _to_the_context(target, scope)(scope, receive, traced)
            return
        state = {**scope.get("state", {}), URL_SESSION: target.session}
        await self._app({**scope, "path": target.path, "state": state}, receive, traced)


class Connection(HttpToolsProtocol):
    """Closes after its 100th request (Tomcat's maxKeepAliveRequests)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._requests = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._requests += 1
        if self._requests >= _MAX_REQUESTS:
            self.cycle.keep_alive = False


def _to_the_context(target: RequestPath, scope: Scope) -> Response:
    # Relative: the default of Tomcat 9. A session id in the path and the query are kept.
    location = f"{CONTEXT}/"
    if target.session is not None:
        location += f";jsessionid={target.session}"
    if query := scope["query_string"].decode("latin-1"):
        location += f"?{query}"
    return Response(status_code=302, headers={"location": location})


def _trace_of(headers: Headers) -> str:
    """The root of the request's trace, a new one where it has none."""
    root = _ROOT.search(headers.get(_TRACE, ""))
    if root is not None:
        return f"Root={root[1]}"
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
