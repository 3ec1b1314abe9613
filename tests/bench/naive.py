"""The usual proxy of tutorials: Starlette for clients, httpx.AsyncClient for the backend. argv: port origin-port."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def application(origin: str) -> Starlette:
    """All paths go to `origin`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=origin, timeout=60, limits=limits) as client:
            app.state.client = client
            yield

    async def proxy(request: Request) -> StreamingResponse:
        client: httpx.AsyncClient = request.app.state.client
        asked = client.build_request(
            request.method,
            httpx.URL(path=request.url.path, query=request.url.query.encode()),
            headers=request.headers.raw,
            content=request.stream(),
        )
        response = await client.send(asked, stream=True)
        return StreamingResponse(
            response.aiter_raw(),
            response.status_code,
            dict(response.headers),
            background=BackgroundTask(response.aclose),
        )

    return Starlette(
        routes=[Route("/{path:path}", proxy, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    uvicorn.run(
        application(f"http://127.0.0.1:{sys.argv[2]}"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="warning",
    )
