"""The stand-in as a Starlette application: `facts` of the original's answers, and nothing else."""

import io
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import segno
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.local.travelbuddy.page import render
from deploy.local.travelbuddy.sessions import COOKIE, Sessions
from deploy.local.travelbuddy.specials import Shelf, flights, hotels

_CONTEXT = "/travelbuddy"
_STATIC = Path(__file__).parent / "static"
_CORS = {"access-control-allow-origin": "*"}
_POLICY = {"content-security-policy": "default-src 'self'", "x-content-type-options": "nosniff"}
_QR_MIN, _QR_MAX = 21, 1000
_QR_TEXT_MAX = 500

Answering = Callable[[Request], Awaitable[Response]]


def travelbuddy(
    now_ms: Callable[[], int] | None = None,
    draw: Callable[[], float] | None = None,
    make_id: Callable[[], str] | None = None,
) -> Starlette:
    """The application. Clock (epoch milliseconds), draws from [0, 1) and session ids can be given."""
    now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
    draw = draw or random.random
    sessions = Sessions(make_id or (lambda: secrets.token_hex(16).upper()))
    shelves = flights(now_ms, draw), hotels(now_ms, draw)
    return Starlette(
        routes=_routes(*shelves, sessions),
        exception_handlers={HTTPException: _like_tomcat},
    )


def _routes(flight_shelf: Shelf, hotel_shelf: Shelf, sessions: Sessions) -> list[BaseRoute]:
    def in_session(answer: Answering) -> Answering:
        async def answered(request: Request) -> Response:
            made = await answer(request)
            cookie = sessions.cookie_for(request.cookies.get(COOKIE))
            if cookie is not None:
                made.headers.append("set-cookie", cookie)
            return made

        return answered

    async def page(_: Request) -> Response:
        return HTMLResponse(render(flight_shelf.on_sale(), hotel_shelf.on_sale()), headers=_POLICY)

    async def flightspecials(_: Request) -> Response:
        return _json(flight_shelf.on_sale())

    async def hotelspecials(_: Request) -> Response:
        return _json(hotel_shelf.on_sale())

    async def health(_: Request) -> Response:
        return PlainTextResponse("OK")

    resources = StaticFiles(directory=_STATIC)
    return [
        Route(_CONTEXT, _to_the_slash),
        Route(f"{_CONTEXT}/", in_session(page)),
        *_both(f"{_CONTEXT}/flightspecials", in_session(flightspecials)),
        *_both(f"{_CONTEXT}/hotelspecials", in_session(hotelspecials)),
        *_both(f"{_CONTEXT}/health", health),
        *_both(f"{_CONTEXT}/qrcodegen/{{size}}/{{text}}", in_session(_qr_code)),
        Mount(f"{_CONTEXT}/resources", resources),
    ]


def _both(path: str, answer: Answering) -> list[BaseRoute]:
    """With and without a slash at the end: the original answers both."""
    return [Route(path, answer), Route(f"{path}/", answer)]


async def _to_the_slash(request: Request) -> Response:
    # As Tomcat does it: absolute, made of the Host that was asked for.
    host = request.headers.get("host", "localhost")
    return RedirectResponse(f"{request.url.scheme}://{host}{_CONTEXT}/", 302)


async def _qr_code(request: Request) -> Response:
    size, text = request.path_params["size"], request.path_params["text"]
    if not (size.isascii() and size.isdigit() and _QR_MIN <= int(size[:5]) <= _QR_MAX):
        raise HTTPException(400, f"the size is a number of pixels from {_QR_MIN} to {_QR_MAX}")
    if not 0 < len(text) <= _QR_TEXT_MAX:
        raise HTTPException(400, f"the text has 1 to {_QR_TEXT_MAX} characters")
    code = segno.make(text, micro=False)
    scale = max(1, int(size) // code.symbol_size()[0])
    drawn = io.BytesIO()
    code.save(drawn, kind="png", scale=scale)
    return Response(drawn.getvalue(), media_type="image/png", headers={"cache-control": "no-store"})


def _json(rows: list[dict[str, Any]]) -> Response:
    body = json.dumps(rows, ensure_ascii=False).encode()
    return Response(body, media_type="application/json", headers=_CORS)


async def _like_tomcat(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    detail = error.detail if isinstance(error, HTTPException) else ""
    title = f"HTTP Status {status}"
    body = (
        f'<!doctype html><html lang="en"><head><title>{title}</title></head>'
        f"<body><h1>{title}</h1><p>{detail}</p></body></html>"
    )
    return HTMLResponse(body, status, headers)
