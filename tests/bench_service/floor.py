"""The floor: uvicorn with a prepared response, plus one asyncpg query. argv: port, database address.

The bytes are those that the contestant of the same question sends; the query is the cheapest one that the
question needs: the row by its key, the update by its key, or, for a list, whether anything has changed.
"""

import asyncio
import json
import sys

import asyncpg
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

_ROW = "SELECT * FROM travelbuddy.flightspecial WHERE id = $1"
_UPDATE = "UPDATE travelbuddy.flightspecial SET header = $2 WHERE id = $1"
_STATE = "SELECT pg_current_snapshot()::text"
_DONE = b'{"resultCode":"Y","data":"The flight special header successfully updated"}'


class Floor:
    """The ASGI app."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._bodies: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self._start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert self._pool is not None
        path = scope["path"]
        if path == "/flightspecials":
            await self._pool.fetchval(_STATE)
        elif scope["method"] == "GET":
            await self._pool.fetchrow(_ROW, 1)
        else:
            change = json.loads((await receive())["body"])
            await self._pool.execute(_UPDATE, 1, change["flightSpecialHeader"])
        body = self._bodies.get(path, _DONE)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _start(self) -> None:
        # Without the query that asyncpg sends when a connection is returned: the floor promises one query.
        self._pool = await asyncpg.create_pool(
            self._address, min_size=1, max_size=10, reset=_nothing_to_reset
        )
        rows = await self._pool.fetch("SELECT * FROM travelbuddy.flightspecial ORDER BY 9, 1")
        shown = [dict(row) for row in rows]
        self._bodies["/flightspecials"] = json.dumps(shown, default=str).encode()
        self._bodies["/flightspecials/1"] = json.dumps(shown[0], default=str).encode()


async def _nothing_to_reset(_connection: object) -> None:
    """A session has no state to reset."""


async def main(port: int, address: str) -> None:
    """Serve until a signal."""
    config = uvicorn.Config(
        Floor(address), port=port, http="httptools", access_log=False, log_level="error"
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2]))
