"""Two facades with one table, with the quick way and without; the requests that both get (ADR 21)."""

import asyncio

from tests.support.facade_in_process import OK, InProcess, Seen

_TIMES = {"time": "", "total_ms": 0, "first_byte_ms": 0}
TRUSTED, OTHER = "192.0.2.1", "192.0.2.99"


class Pair:
    """Two facades with one table: one with the quick way, one without."""

    def __init__(self, table: str, peer: str) -> None:
        self._runner = asyncio.Runner()
        self._both = [self._runner.run(_made(table, quick, peer)) for quick in (True, False)]

    @property
    def quick(self) -> InProcess:
        return self._both[0]

    @property
    def general(self) -> InProcess:
        return self._both[1]

    def send(self, *pieces: bytes, response: bytes = OK, draw_bp: int = 0) -> Seen:
        """What came of it, which is the same for both."""
        quick, general = (
            self._runner.run(_sent(each, pieces, response, draw_bp)) for each in self._both
        )
        assert quick == general
        return quick

    def close(self) -> None:
        for each in self._both:
            self._runner.run(_closed(each))
        self._runner.close()


async def _made(table: str, quick: bool, peer: str) -> InProcess:
    return InProcess(table, quick=quick, peer=peer)


async def _closed(facade: InProcess) -> None:
    facade.close()


async def _sent(
    facade: InProcess, pieces: tuple[bytes, ...], response: bytes, draw_bp: int
) -> Seen:
    facade.draw_bp = draw_bp
    facade.bits += 1 << 70
    seen = await facade.send(*pieces, response=response)
    for line in seen.lines:
        line.update(_TIMES)
    return seen


FIELDS = b"\r\n".join(
    (
        b"Host: www.example:8080",
        b"Accept: */*",
        b"Cookie: a=1; b=2; uid=7; beta=1",
        b"X-Secret: s",
        b"X-B: theirs",
        b"X-User: u",
        b"User-Agent: x",
    )
)
IDS = b"\r\nX-Request-ID: theirs\r\nTracestate: a=b\r\nTraceparent: "
TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
MORE = {
    "nothing": b"",
    "close": b"\r\nConnection: close",
    "keep-alive": b"\r\nConnection: Keep-Alive\r\nKeep-Alive: 5",
    "named": b"\r\nConnection: x-secret",
    "forwarded": b"\r\nX-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=1",
    "only-x": b"\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https",
    "only-forwarded": b'\r\nForwarded: for=6.6.6.6;proto=https;host="shop.example"',
    "contradiction": b"\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6;proto=http",
    "forwarded-more": b"\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 1\r\nX-Forwarded-For: 6.6.6.6",
    "prefix": b"\r\nX-Forwarded-Prefix: /edge\r\nX-Forwarded-For: 6.6.6.6\r\nVia: 1.1 edge",
    "forwarded-for": b"\r\nX-Forwarded-For: 6.6.6.6",
    "untrusted-via": b"\r\nVia: 1.0 one\r\nX-Forwarded-For: 6.6.6.6",
    "malformed-client": b"\r\nX-Forwarded-For: 6.6.6.256",
    "via": b"\r\nVia: 1.0 one\r\nVia: 1.1 two",
    "trace": IDS + TRACE,
    "only-state": b"\r\nTracestate: a=b",
    "forwarded-trace": IDS + TRACE + b"\r\nX-Forwarded-For: 6.6.6.6",
    "bad-trace": IDS + b"malformed",
    "two-ids": IDS + TRACE + b"\r\nX-Request-ID: b",
    "quoted-id": b'\r\nX-Request-ID: a"b\\',
    "kept-out": b"\r\nX-Real-IP: 1\r\nX_Under: 1\r\nProxy: p\r\nProxy-Authorization: p\r\nTE: gzip",
    "hops": b"\r\nMax-Forwards: 7",
    "two-hosts": b"\r\nHost: b",
    "upgrade": b"\r\nConnection: upgrade\r\nUpgrade: h2c",
    "expect": b"\r\nExpect: 100-continue",
    "origin": b"\r\nOrigin: https://www.example",
    "other-origin": b"\r\nOrigin: http://www.example",
    "preflight": b"\r\nOrigin: https://www.example\r\nAccess-Control-Request-Method: GET",
    "other-preflight": b"\r\nOrigin: https://www.example\r\nAccess-Control-Request-Method: PUT",
    "range": b"\r\nRange: bytes=0-1\r\nIf-None-Match: x\r\nReferer: /\r\nAuthorization: b",
}
LINES = (
    b"GET %b?q=1 HTTP/1.1",
    b"HEAD %b HTTP/1.1",
    b"GET %b? HTTP/1.0",
    b"OPTIONS %b HTTP/1.1",
    b"DELETE %b/..%%2f HTTP/1.1",
    b"GET %b//x HTTP/1.1",
)
PATHS = (
    *(b"/plain/1", b"/picky/1", b"/strict/1", b"/canary/1", b"/cohort/1", b"/read/1", b"/secure/1"),
    *(b"/ids/1", b"/addresses/1", b"/items/1", b"/items/2", b"/reported/1"),
    *(b"/writers/1", b"/dark/1"),
    *(b"/edited/1", b"/renamed/1", b"/own-ids", b"/gone", b"/small", b"/nowhere", b"/plain;x"),
    *(b"/hidden", b"/prefixed/1", b"/prefixed/own/1", b"/prefixed/none/1", b"/unforwarded"),
    *(b"/shared/1", b"/values/1", b"/queries/1", b"/views", b"/sent-on/1", b"/judged/1"),
    *(
        b"/several/1",
        b"/more/several",
        b"/moved/1",
        b"/moved/away/to/1",
        b"/moved/away/t%6f",
        b"/any/CASE/X",
        b"/left/1",
        b"/left/out",
        b"/listed",
        b"/tail/t/orders/7",
        b"/reversed/1",
        b"/ANY/Rest/%2e",
        b"/host",
    ),
)
GET = b"GET %b HTTP/1.1\r\n" + FIELDS + b"\r\n\r\n"
