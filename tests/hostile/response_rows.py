"""Short ways to write a row of hostile responses."""

from typing import Literal

from tests.hostile.cases import Hostile, Verdict, head

OK = b"HTTP/1.1 200 OK"
CHUNKED = head(OK, b"Transfer-Encoding: chunked")
LINE = "9112 4"
FIELD = "9112 5"
LENGTH = "9112 6.3"
CODING = "9112 6.1"
CHUNK = "9112 7.1"
End = Literal["stay", "close", "reset"]


def bad(
    name: str,
    rfc: str,
    *pieces: bytes,
    end: End = "stay",
    policy: bool = False,
    method: str = "GET",
) -> Hostile:
    return Hostile(name, rfc, pieces, "refused", end=end, policy=policy, method=method)


def status(name: str, line: bytes, policy: bool = False) -> Hostile:
    return bad(name, LINE, head(line, b"Content-Length: 2") + b"ok", policy=policy)


def field(name: str, line: bytes, policy: bool = False) -> Hostile:
    return bad(name, FIELD, head(OK, line, b"Content-Length: 2") + b"ok", policy=policy)


def framed(name: str, *fields: bytes, rfc: str = LENGTH, policy: bool = False) -> Hostile:
    return bad(name, rfc, head(OK, *fields) + b"ok", policy=policy)


def coded(name: str, *fields: bytes, policy: bool = False) -> Hostile:
    return bad(name, CODING, head(OK, *fields) + b"2\r\nok\r\n0\r\n\r\n", policy=policy)


def chunk(name: str, chunk: bytes, policy: bool = False) -> Hostile:
    pieces = (CHUNKED + b"2\r\nok\r\n", chunk + b"\r\n0\r\n\r\n")
    return Hostile(name, CHUNK, pieces, "cut", policy=policy)


def cut(name: str, rfc: str, *pieces: bytes, end: End = "stay", policy: bool = False) -> Hostile:
    return Hostile(name, rfc, pieces, "cut", end=end, policy=policy)


def good(
    name: str,
    rfc: str,
    *pieces: bytes,
    status: int = 200,
    body: bytes = b"ok",
    has: tuple[bytes, ...] = (),
    lacks: tuple[bytes, ...] = (),
    method: str = "GET",
    end: End = "stay",
    verdict: Verdict = "passed",
    policy: bool = False,
) -> Hostile:
    return Hostile(name, rfc, pieces, verdict, status, body, has, lacks, method, end, policy)
