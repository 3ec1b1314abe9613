"""A proxy of aiohttp's server and client, written with care: one session, streaming. argv: port origin-port."""

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

# RFC 9110 7.6.1.
_HOP_BY_HOP = frozenset(
    (
        *(
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
        ),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)


def application(origin: str) -> web.Application:
    """All paths go to `origin`."""

    session: aiohttp.ClientSession

    async def proxy(request: web.Request) -> web.StreamResponse:
        headers = _passed_on(request.headers)
        headers.add("X-Forwarded-For", request.remote or "")
        async with session.request(
            request.method,
            origin + request.raw_path,
            headers=headers,
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as from_origin:
            response = web.StreamResponse(
                status=from_origin.status,
                reason=from_origin.reason,
                headers=_passed_on(from_origin.headers),
            )
            await response.prepare(request)
            async for piece in from_origin.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async def opened(_: web.Application) -> None:
        nonlocal session
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def closed(_: web.Application) -> None:
        await session.close()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy)
    app.on_startup.append(opened)
    app.on_cleanup.append(closed)
    return app


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP
    )


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(
        application(f"http://127.0.0.1:{sys.argv[2]}"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
    )
