"""The stand-in as an ASGI application: the responses of the original, and the front end."""

import random
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from deploy.local.travelbuddy import error_pages, lists, qr_codes
from deploy.local.travelbuddy.database import Database
from deploy.local.travelbuddy.page import Page
from deploy.local.travelbuddy.paths import CONTEXT
from deploy.local.travelbuddy.sessions import Sessions
from deploy.local.travelbuddy.specials import flights, hotels
from deploy.local.travelbuddy.tomcat import Tomcat

_HERE = Path(__file__).parent
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_NOT_STORED = {
    "cache-control": "no-store",
    "pragma": "no-cache",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}


def travelbuddy(
    database: Database | None = None,
    now_ms: Callable[[], int] | None = None,
    draw: Callable[[], float] | None = None,
    make_id: Callable[[], str] | None = None,
) -> ASGIApp:
    """The application. Clock (epoch milliseconds), draws from [0, 1) and session ids can be given."""
    database = database or Database()
    now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
    draw = draw or random.random
    sessions = Sessions(make_id or (lambda: secrets.token_hex(16).upper()))
    flight_shelf, hotel_shelf = flights(now_ms, draw), hotels(now_ms, draw)
    app = Starlette(
        routes=_routes(
            Page(flight_shelf, hotel_shelf, sessions, database),
            lists.SpecialsList(flight_shelf, database),
            lists.SpecialsList(hotel_shelf, database),
        ),
        exception_handlers={HTTPException: error_pages.http_error},
    )
    app.router.redirect_slashes = False
    return Tomcat(app)


def _routes(
    page: Page, flight_list: lists.SpecialsList, hotel_list: lists.SpecialsList
) -> list[BaseRoute]:
    """Paths as `read_path` leaves them: without a slash at the end."""
    return [
        Route(f"{CONTEXT}/", page.respond),
        Route(f"{CONTEXT}/flightspecials", flight_list.respond, methods=lists.METHODS),
        Route(f"{CONTEXT}/hotelspecials", hotel_list.respond, methods=lists.METHODS),
        Route(f"{CONTEXT}/health", _health),
        Route(f"{CONTEXT}/qrcodegen/{{size}}/{{text}}", _qr_code),
        Route(f"{CONTEXT}/qrcode/{{size}}/{{text}}", _qr_code_of_the_cloud_function),
        Route(f"{CONTEXT}/app", _front_end),
        Mount(f"{CONTEXT}/resources", StaticFiles(directory=_HERE / "static")),
    ]


async def _health(_: Request) -> Response:
    # Independent of the database.
    return Response("OK", headers={"content-type": "text/plain;charset=ISO-8859-1"})


async def _qr_code(request: Request) -> Response:
    size = request.path_params["size"]
    if _INTEGER.fullmatch(size) is None:
        raise HTTPException(400, "the size is a number of pixels")
    # In a thread: rendering a large code takes some hundred milliseconds.
    image = await run_in_threadpool(qr_codes.draw, request.path_params["text"], int(size))
    if image is None:
        return Response()
    return Response(image, media_type="image/png", headers=_NOT_STORED)


async def _qr_code_of_the_cloud_function(_: Request) -> Response:
    # Without its function the original swallows the exception.
    return Response()


async def _front_end(_: Request) -> Response:
    return FileResponse(_HERE / "app.html", media_type="text/html")
