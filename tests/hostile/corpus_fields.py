"""Fields that a client may not say or may not drop, and sizes beyond reason (RFC 9110 7.6.1; rule 14).

The limits are those of the table in `contestants.py`; rows that name them are our own.
"""

from tests.hostile.cases import HOST, Case, Seen, cut, get, head, passed, post, refused

_HEAD_LIMIT = (400, 414, 431)


def _kept(name: str, *fields: bytes, has: tuple[bytes, ...], policy: bool = False) -> Case:
    sees = Seen(b"GET /a", has=has)
    return passed(name, "9110 7.6.1", get(*fields), sees=sees, policy=policy)


def _dropped(
    name: str, *fields: bytes, lacks: tuple[bytes, ...], rfc: str = "rule 14", policy: bool = True
) -> Case:
    return passed(name, rfc, get(*fields), sees=Seen(b"GET /a", lacks=lacks), policy=policy)


NOMINATED = [
    _dropped(
        "a field that Connection nominates",
        b"Connection: X-Mine",
        b"X-Mine: 1",
        lacks=(b"x-mine",),
        rfc="9110 7.6.1",
        policy=False,
    ),
    _dropped(
        "a field that one of two Connections nominates, in capitals",
        b"Connection: keep-alive",
        b"Connection: ,, X-MINE ,",
        b"x-mine: 1",
        lacks=(b"x-mine",),
        rfc="9110 7.6.1",
        policy=False,
    ),
    _kept(
        "a nominated Authorization",
        b"Connection: Authorization",
        b"Authorization: Basic abc",
        has=(b"authorization: basic abc",),
        policy=True,
    ),
    _kept("a nominated Host", b"Connection: Host", has=(b"host: ",)),
    _kept(
        "nominated X-Forwarded fields",
        b"Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, Via",
        has=(b"x-forwarded-for: 127.0.0.1", b"x-forwarded-proto: http", b"x-forwarded-host: "),
        policy=True,
    ),
    _kept(
        "a nominated Cookie",
        b"Connection: Cookie",
        b"Cookie: a=b",
        has=(b"host: ",),
    ),
    _dropped(
        "hop-by-hop fields",
        b"Connection: close, TE",
        b"Keep-Alive: timeout=9",
        b"Proxy-Connection: keep-alive",
        b"TE: trailers, chunked",
        b"Trailer: X-Foo",
        lacks=(b"keep-alive: t", b"proxy-connection", b"te: trailers, chunked"),
        rfc="9110 7.6.1",
        policy=True,
    ),
]

FROM_CLIENTS = [
    _dropped(
        "X-Forwarded-For of an untrusted client",
        b"X-Forwarded-For: 192.0.2.66",
        lacks=(b"192.0.2.66",),
    ),
    _dropped(
        "Forwarded of an untrusted client", b"Forwarded: for=192.0.2.66", lacks=(b"192.0.2.66",)
    ),
    _dropped(
        "X-Forwarded-Host and -Proto of an untrusted client",
        b"X-Forwarded-Host: evil.example",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Port: 6660666",
        b"X-Forwarded-Prefix: /evil",
        lacks=(b"evil", b"https", b"6660666"),
    ),
    _dropped("X-Real-IP", b"X-Real-IP: 192.0.2.66", lacks=(b"192.0.2.66",)),
    _dropped("X-Original-URL", b"X-Original-URL: /internal/x", lacks=(b"/internal",)),
    _dropped("X-Rewrite-URL", b"X-Rewrite-URL: /internal/x", lacks=(b"/internal",)),
    _dropped("Proxy", b"Proxy: http://evil.example", lacks=(b"evil",)),
    _dropped("Proxy-Authorization", b"Proxy-Authorization: Basic evil", lacks=(b"evil",)),
    _dropped(
        "names with underscores",
        b"X_Forwarded_For: 192.0.2.66",
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
        lacks=(b"192.0.2.66", b"_"),
    ),
    _kept(
        "fields that come twice",
        b"Accept: a",
        b"Accept: b",
        b"Cookie: a=1",
        b"Cookie: b=2",
        has=(b"accept: a", b"accept: b", b"a=1", b"b=2"),
    ),
]

_BODY_LIMIT = 64 * 1024

SIZES = [
    refused(
        "a field more than allowed",
        "limits",
        get(*(b"x-%d: 1" % number for number in range(100))),
        status=(431,),
        policy=True,
    ),
    refused(
        "10,000 fields",
        "6585 5",
        get(*(b"x-%d: 1" % number for number in range(10_000))),
        status=_HEAD_LIMIT,
    ),
    refused("100,000 tiny fields", "6585 5", get(*(b"a:",) * 100_000), status=_HEAD_LIMIT),
    refused(
        "fields larger than allowed",
        "limits",
        get(*(b"x-%d: %b" % (number, b"v" * 1000) for number in range(40))),
        status=(431,),
        policy=True,
    ),
    refused("a value of a megabyte", "6585 5", get(b"X: " + b"y" * 1_000_000), status=_HEAD_LIMIT),
    refused("a name of a megabyte", "6585 5", get(b"x" * 1_000_000 + b": y"), status=_HEAD_LIMIT),
    refused(
        "a head that never ends", "6585 5", get()[:-2] + b"a: b\r\n" * 200_000, status=_HEAD_LIMIT
    ),
    refused(
        "a target larger than allowed",
        "9110 15.5.15",
        get(target=b"/" + b"a" * 8200),
        status=(414,),
        policy=True,
    ),
    refused(
        "a query larger than allowed",
        "9110 15.5.15",
        get(target=b"/a?" + b"a" * 8200),
        status=(414,),
        policy=True,
    ),
    refused(
        "a target of a megabyte",
        "9110 15.5.15",
        get(target=b"/" + b"a" * 1_000_000),
        status=_HEAD_LIMIT,
    ),
    refused(
        "a length larger than allowed",
        "9110 15.5.14",
        post(b"Content-Length: %d" % (_BODY_LIMIT + 1), body=b"x" * 100),
        status=(413,),
        closes=True,
        policy=True,
    ),
    refused(
        "a length of 2^62",
        "9110 15.5.14",
        post(b"Content-Length: 4611686018427387904", body=b"x"),
        status=(400, 413),
        closes=True,
        policy=True,
    ),
    refused(
        "a length larger than allowed that waits to go on",
        "9110 15.5.14",
        post(b"Content-Length: %d" % (_BODY_LIMIT + 1), b"Expect: 100-continue"),
        status=(413,),
        closes=True,
        policy=True,
    ),
    cut(
        "chunks larger than allowed",
        "9110 15.5.14",
        post(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
        None,
        b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n",
        status=(413,),
        policy=True,
    ),
    cut(
        "many chunks that are larger than allowed",
        "9110 15.5.14",
        post(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
        None,
        (b"400\r\n" + b"x" * 0x400 + b"\r\n") * 65 + b"0\r\n\r\n",
        status=(413,),
        policy=True,
    ),
    passed(
        "a body as large as allowed",
        "limits",
        post(b"Content-Length: %d" % _BODY_LIMIT, body=b"x" * _BODY_LIMIT),
        sees=Seen(b"POST /a", b"x" * _BODY_LIMIT),
    ),
    passed(
        "as many fields as allowed",
        "limits",
        head(b"GET /a HTTP/1.1", HOST, *(b"x-%d: 1" % number for number in range(99))),
        sees=Seen(b"GET /a"),
    ),
]

FIELD_RULES = [*NOMINATED, *FROM_CLIENTS, *SIZES]
