"""Hostile responses of an upstream (findings 8 and 12): their heads."""

from tests.hostile.cases import SECRET, head
from tests.hostile.response_rows import FIELD, LINE, OK, bad, field, good, status

STATUS_LINES = [
    status("HTTP/2.0", b"HTTP/2.0 200 OK"),
    status("HTTP/0.9 said", b"HTTP/0.9 200 OK"),
    status("HTTP/1.2", b"HTTP/1.2 200 OK", policy=True),
    status("HTTP/1.10", b"HTTP/1.10 200 OK"),
    status("HTTP/1", b"HTTP/1 200 OK"),
    status("lower case", b"http/1.1 200 OK"),
    status("RTSP", b"RTSP/1.0 200 OK"),
    status("ICY", b"ICY 200 OK"),
    status("status 099", b"HTTP/1.1 099 X", policy=True),
    status("status 99", b"HTTP/1.1 99 X"),
    status("status 600", b"HTTP/1.1 600 X", policy=True),
    status("status 999", b"HTTP/1.1 999 X", policy=True),
    status("status 1000", b"HTTP/1.1 1000 X"),
    status("a negative status", b"HTTP/1.1 -200 X"),
    status("a status with plus", b"HTTP/1.1 +20 X"),
    status("a status with a letter", b"HTTP/1.1 2O0 OK"),
    status("no status", b"HTTP/1.1 OK"),
    status("a version alone", b"HTTP/1.1"),
    status("two spaces", b"HTTP/1.1  200 OK", policy=True),
    status("a tab", b"HTTP/1.1\t200 OK", policy=True),
    status("no space after the status", b"HTTP/1.1 200OK"),
    status("NUL in the reason", b"HTTP/1.1 200 O\x00K"),
    status("an escape in the reason", b"HTTP/1.1 200 O\x1b[2JK", policy=True),
    status("CR in the reason", b"HTTP/1.1 200 O\rK"),
    status("LF after the status line", OK + b"\nX: y", policy=True),
    bad(
        "an empty line in front",
        LINE,
        b"\r\n" + head(OK, b"Content-Length: 2") + b"ok",
        policy=True,
    ),
    bad(
        "LF for every line end",
        "9112 2.2",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        policy=True,
    ),
    bad("no head at all", LINE, b"<html>hello</html>", end="close"),
    bad("a greeting", LINE, b"220 mail.example ESMTP\r\n"),
    bad("random bytes", LINE, bytes(range(128, 256)) * 8, end="close"),
    bad("frames of HTTP/2", LINE, b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18, end="close"),
    bad("an empty head", LINE, b"\r\n\r\nSECRET", end="close"),
    bad("an empty head before the response", LINE, b"\r\n\r\n" + SECRET, end="close"),
    bad("nothing", LINE, b"", end="close"),
    bad("nothing, and a reset", LINE, b"", end="reset"),
    bad("half a status line", LINE, b"HTTP/1.1 20", end="close"),
    bad("half a head", LINE, b"HTTP/1.1 200 OK\r\nX: y\r\n", end="close"),
    good("no reason", LINE, head(b"HTTP/1.1 200 ", b"Content-Length: 2") + b"ok"),
]

INTERIM = [
    bad(
        "101 that nobody asked for",
        "9110 15.2.2",
        head(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x", b"Connection: upgrade") + SECRET,
    ),
    bad("101 without a word", "9110 15.2.2", head(b"HTTP/1.1 101 Switching Protocols") + SECRET),
    bad(
        "interim responses without end",
        "9110 15.2",
        head(b"HTTP/1.1 103 Early Hints", b"Link: </a>") * 20_000,
        policy=True,
    ),
    bad(
        "an interim response with a length",
        "9110 15.2",
        head(b"HTTP/1.1 103 Early Hints", b"Content-Length: %d" % len(SECRET)) + SECRET,
        policy=True,
    ),
    good(
        "interim responses, then the response",
        "9110 15.2",
        head(b"HTTP/1.1 100 Continue"),
        head(b"HTTP/1.1 103 Early Hints", b"Link: </a>"),
        head(OK, b"Content-Length: 2") + b"ok",
    ),
]

FIELDS = [
    field("obs-fold", b"X: y\r\n z", policy=True),
    field("a space before the first field", b" X: y"),
    field("a space before the colon", b"X : y", policy=True),
    field("a space in a name", b"X Y: z"),
    field("no name", b": y"),
    field("no colon", b"XY"),
    field("a name beyond ASCII", b"X\xff: y"),
    field("NUL in a name", b"X\x00: y"),
    field("NUL in a value", b"X: y\x00z"),
    field("CR in a value", b"X: y\rSet-Cookie: a=b"),
    field("LF in a value", b"X: y\nSet-Cookie: a=b", policy=True),
    field("an escape in a value", b"X: y\x1b[2Jz", policy=True),
    field("DEL in a value", b"X: y\x7fz", policy=True),
    field("a control byte in a Location", b"Location: /\x01", policy=True),
    bad("a value of a megabyte", FIELD, head(OK, b"X: " + b"y" * 1_000_000, b"Content-Length: 0")),
    bad("10,000 fields", FIELD, head(OK, *(b"X: y",) * 10_000, b"Content-Length: 0")),
    bad("a head without end", FIELD, OK + b"\r\n" + b"X: y\r\n" * 200_000),
    bad("LF CRLF at the end of the head", FIELD, OK + b"\r\nContent-Length: 0\n\r\n", policy=True),
    good(
        "hop-by-hop fields",
        "9110 7.6.1",
        head(
            OK,
            b"Connection: X-Mine, keep-alive",
            b"X-Mine: 1",
            b"Keep-Alive: timeout=9",
            b"Upgrade: h2c",
            b"Proxy-Connection: keep-alive",
            b"Content-Length: 2",
        )
        + b"ok",
        lacks=(b"x-mine", b"timeout=9", b"h2c", b"proxy-connection"),
        policy=True,
    ),
    good(
        "a nominated length",
        "9110 7.6.1",
        head(OK, b"Connection: Content-Length", b"Content-Length: 2") + b"ok",
    ),
    good(
        "cookies that come twice",
        "6265 3",
        head(OK, b"Set-Cookie: a=1, b", b"Set-Cookie: c=2", b"Content-Length: 2") + b"ok",
        has=(b"set-cookie: a=1, b", b"set-cookie: c=2"),
    ),
    good(
        "a response in single bytes",
        "9112 2.2",
        *(bytes((byte,)) for byte in head(OK, b"Content-Length: 2") + b"ok"),
    ),
]

NOMINATED = good(
    "a field that Connection nominates",
    "9110 7.6.1",
    head(OK, b"Connection: X-Mine", b"X-Mine: 1", b"Content-Length: 2") + b"ok",
    lacks=(b"x-mine",),
)

RESPONSES = [NOMINATED, *STATUS_LINES, *INTERIM, *FIELDS]
