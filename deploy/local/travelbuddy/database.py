"""The visible state of the monolith's database: up or away. A demonstration switches it.

The control listener is on loopback only. `PUT /database` with the body `away` or `up` sets the state, `GET`
reads it. Other web sites cannot use it through a browser: they may not send a PUT, and the Host has to be
a loopback name.
"""

from collections.abc import Mapping
from enum import StrEnum

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

VARIABLE = "TRAVELBUDDY_DATABASE"
_HOSTS = ["127.0.0.1", "localhost"]
_MAX_BODY_BYTES = 64


class State(StrEnum):
    """Whether the database can be reached."""

    UP = "up"
    AWAY = "away"


class BadState(ValueError):
    """The text names no state."""


class Database:
    """The state that all requests see."""

    def __init__(self, state: State = State.UP) -> None:
        self.state = state

    @property
    def away(self) -> bool:
        return self.state is State.AWAY


def read_state(text: str) -> State:
    """Raises BadState."""
    try:
        return State(text)
    except ValueError:
        raise BadState(f"the database is `up` or `away`, not {text!r}") from None


def state_at_start(environ: Mapping[str, str]) -> State:
    """The state from the environment; an empty variable counts as unset. Raises BadState."""
    text = environ.get(VARIABLE) or State.UP
    try:
        return read_state(text)
    except BadState as error:
        raise BadState(f"{VARIABLE}: {error}") from None


def control(database: Database) -> Starlette:
    """The application of the control listener."""

    async def read(_: Request) -> Response:
        return PlainTextResponse(f"{database.state}\n")

    async def write(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _MAX_BODY_BYTES:
                return PlainTextResponse("the body is too long\n", 413)
        try:
            database.state = read_state(body.decode("utf-8", "replace").strip())
        except BadState as error:
            return PlainTextResponse(f"{error}\n", 400)
        return PlainTextResponse(f"{database.state}\n")

    return Starlette(
        routes=[Route("/database", read), Route("/database", write, methods=["PUT"])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)],
    )
