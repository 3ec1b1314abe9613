"""The stand-in as a Starlette application: `facts` of the original's answers, and nothing else."""

import io
import json
import random
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any

import segno
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
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
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_QR_SIZE = re.compile(r"[0-9]{1,4}")
_QR_MAX = 1000
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
    # As Tomcat does it: absolute, made of the Host that was asked for, the query kept.
    host = request.headers.get("host", "localhost")
    if _HOST.fullmatch(host) is None:
        raise HTTPException(400, "the Host header is no host with an optional port")
    query = request.scope["query_string"].decode("latin-1")
    there = f"{request.scope['scheme']}://{host}{_CONTEXT}/"
    return RedirectResponse(f"{there}?{query}" if query else there, 302)


async def _qr_code(request: Request) -> Response:
    size, text = request.path_params["size"], request.path_params["text"]
    if _QR_SIZE.fullmatch(size) is None or not 0 < int(size) <= _QR_MAX:
        raise HTTPException(400, f"the size is a number of pixels from 1 to {_QR_MAX}")
    if not 0 < len(text) <= _QR_TEXT_MAX:
        raise HTTPException(400, f"the text has 1 to {_QR_TEXT_MAX} characters")
    # In a thread: a long text takes some ten milliseconds.
    drawn = await run_in_threadpool(_draw, text, int(size))
    return Response(drawn, media_type="image/png", headers={"cache-control": "no-store"})


def _draw(text: str, size: int) -> bytes:
    """A PNG at most `size` pixels wide: modules are whole pixels, so it may be a little smaller."""
    code = segno.make(text, micro=False)
    least = code.symbol_size()[0]
    if size < least:
        raise HTTPException(400, f"this text needs a size of {least} pixels or more")
    drawn = io.BytesIO()
    code.save(drawn, kind="png", scale=size // least)
    return drawn.getvalue()


def _json(rows: list[dict[str, Any]]) -> Response:
    body = json.dumps(rows, ensure_ascii=False).encode()
    return Response(body, media_type="application/json", headers=_CORS)


async def _like_tomcat(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    title = f"HTTP Status {error.status_code} – {HTTPStatus(error.status_code).phrase}"
    body = (
        f'<!doctype html><html lang="en"><head><title>{title}</title></head>'
        f"<body><h1>{title}</h1><hr><p><b>Type</b> Status Report</p>"
        f"<p><b>Message</b> {escape(error.detail)}</p><hr>"
        f"<h3>TravelBuddy stand-in</h3></body></html>"
    )
    return HTMLResponse(body, error.status_code, {**(error.headers or {}), **_POLICY})
