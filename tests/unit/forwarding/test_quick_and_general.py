"""The quick way and the general way send the same bytes to backend and client, and log the same line (ADR 21)."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.hostile.cases import Case, Hostile
from tests.hostile.corpus import HOSTILE, REQUESTS
from tests.hostile.strategies import mutated, requests, responses
from tests.support.facade_in_process import OK, InProcess, Seen

_FUZZ = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
_TIMES = {"time": "", "total_ms": 0, "first_byte_ms": 0}

TABLE = """
version: 1
defaults:
  forwarded: {trusted_proxies: [192.0.2.0/28]}
  explain: {expose_to: [192.0.2.0/28]}
backends:
  legacy: http://127.0.0.1:1
  picky:
    url: http://127.0.0.1:2
    cookies: {allow: [a, uid]}
    headers: {remove: [x-secret]}
    preserve_host: true
  renamed: {url: "http://127.0.0.1:6", cookies: {rename: {a: b}, remove: [uid]}}
  unforwarded: {url: "http://127.0.0.1:4", headers: {remove: [forwarded, via, traceparent]}}
  unprefixed: {url: "http://127.0.0.1:5", headers: {remove: [x-forwarded-prefix]}}
  strict: {url: "http://127.0.0.1:3", preserve_host: false, headers: {allow: [accept, cookie, x-b]}}
cohorts:
  people: {salt: s, hash_policy: [{cookie: uid}, {header: x-user}]}
  newcomers: {salt: s, hash_policy: [{cookie: beta}, {cookie: b, generate: true}]}
  addresses: {salt: s, hash_policy: [{header: x-none}, {source_ip: true}]}
  items: {salt: s, hash_policy: [{path_parameter: id}]}
  reported: {salt: s, hash_policy: [{header: x-forwarded-for}]}
  writers: {salt: s, hash_policy: [{cookie: uid}], read_your_writes: {ttl: 10s}}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
  - {name: picky, match: {path: {prefix: /picky}}, backend_refs: picky}
  - {name: strict, match: {path: {prefix: /strict}}, backend_refs: strict}
  - {name: renamed, match: {path: {prefix: /renamed}}, backend_refs: renamed}
  - {name: canary, match: {path: {prefix: /canary}}, backend_refs: {legacy: 50, picky: 50}}
  - {name: small, match: {path: {prefix: /small}}, limits: {max_body_bytes: 1KiB}, backend_refs: legacy}
  - name: cohort
    match: {path: {prefix: /cohort}}
    cohort: people
    backend_refs: {legacy: 50, picky: 50}
  - name: ids
    match: {path: {prefix: /ids}}
    stage: canary
    cohort: newcomers
    backend_refs: {legacy: 50, picky: 50}
  - name: addresses
    match: {path: {prefix: /addresses}}
    cohort: addresses
    backend_refs: {legacy: 50, picky: 50}
  - name: items
    match: {path: {template: "/items/{id}"}}
    cohort: items
    backend_refs: {legacy: 50, picky: 50}
  - name: reported
    match: {path: {prefix: /reported}}
    cohort: reported
    backend_refs: {legacy: 50, picky: 50}
  - name: writers
    match: {path: {prefix: /writers}}
    cohort: writers
    override: {header: x-choice, allow_from: [192.0.2.0/25]}
    backend_refs: {legacy: 50, picky: 50}
  - name: dark
    match: {path: {prefix: /dark}}
    stage: legacy
    override: {cookie: choice, allow_from: [192.0.2.0/28]}
    backend_refs: [legacy, picky]
  - name: read
    match: {path: {prefix: /read}, cookies: {beta: {exact: "1"}}, query: {q: {present: true}}}
    backend_refs: strict
  - name: edited
    match: {path: {prefix: /edited}}
    request: {headers: {set: {x-more: "1", x-b: ours}, add: {x-b: again}, remove: [accept]}}
    response: {headers: {set: {x-by: facade}, remove: [server]}}
    backend_refs:
      - name: picky
        request: {headers: {set: {x-more: "2"}, remove: [x-b]}}
        url_rewrite: {path: {replace_prefix_match: /inner}, hostname: inner.example}
  - name: own-ids
    match: {path: {prefix: /own-ids}}
    request: {headers: {set: {x-request-id: ours, via: nobody}}}
    backend_refs: legacy
  - name: hidden
    match: {path: {prefix: /hidden}}
    response: {headers: {remove: [x-request-id], set: {x-facade-decision: ours}}}
    backend_refs: legacy
  - name: own-prefix
    match: {path: {prefix: /prefixed/own}}
    request: {headers: {set: {x-forwarded-prefix: /own}}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - name: no-prefix
    match: {path: {prefix: /prefixed/none}}
    backend_refs: [{name: unprefixed, url_rewrite: {path: {replace_prefix_match: /}}}]
  - name: prefixed
    match: {path: {prefix: /prefixed}}
    request: {headers: {add: {x-more: "1"}}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - {name: unforwarded, match: {path: {prefix: /unforwarded}}, backend_refs: unforwarded}
  - name: secure
    match: {path: {prefix: /secure}, headers: {x-forwarded-proto: {exact: https}}}
    backend_refs: picky
  - {name: insecure, match: {path: {prefix: /secure}}, redirect: {scheme: https}}
  - {name: gone, match: {path: {prefix: /gone}}, redirect: {path: /plain}}
  - name: shared
    match: {path: {prefix: /shared}, methods: [GET, HEAD]}
    cors: {allow_origins: ["https://*.example"], allow_credentials: true}
    backend_refs: {legacy: 50, picky: 50}
  - name: values
    match: {path: {template: "/values/{id}"}}
    request: {headers: {set: {x-client: "{client}", x-b: "{header.x-none}"}, add: {x-id: "{path.id} {request_id}"}}}
    response: {headers: {set: {x-by: "{host} {query.q}"}}}
    backend_refs: {legacy: 50, picky: 50}
  - name: queries
    match: {path: {prefix: /queries}}
    backend_refs:
      - {name: legacy, url_rewrite: {query: {set: {from: "{scheme}"}, remove: [q]}}}
  - name: views
    match: {path: {exact: /views}, query: {q: {present: true}}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {template: "/items/{query.q}"}, query: {remove: [q]}}}
  - {name: sent-on, match: {path: {template: "/sent-on/{id}"}}, redirect: {template: "/n/{id}/{client}"}}
  - {name: api, match: {path: {prefix: /a}}, backend_refs: legacy}
  - {name: others, match: {path: {prefix: /shared}}, backend_refs: legacy}
  - name: several
    match:
      - {path: {prefix: /several}}
      - {path: {prefix: /more/several}, cookies: {beta: "1"}}
      - {hosts: [several.example, "*.several.example"]}
    request: {headers: {set: {x-more: "1"}}}
    backend_refs: {legacy: 50, picky: 50}
  - name: moved
    match: [{path: {prefix: /moved}}, {path: {prefix: /moved/away/to}}]
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}]
  - name: any-case
    match: {path: {template: "/Any/{case}/x", ignore_case: true}}
    backend_refs: [{name: picky, url_rewrite: {path: {template: "/case/{case}"}}}]
  - name: tail
    match: {path: {template: "/tail/{tenant}/orders/**"}}
    backend_refs: [{name: legacy, url_rewrite: {path: {template: "/o/{tenant}/**"}}}]
  - name: left-out
    match:
      path: {prefix: /left}
      not: [{path: {prefix: /left/out}}, {cookies: {beta: "1"}, scheme: https}]
    backend_refs: picky
  - {name: by-scheme, match: {path: {prefix: /left}, scheme: https}, backend_refs: strict}
  - name: listed
    match: {path: {prefix: /listed}, headers: {accept: {exact: "*/*", members: true}}}
    backend_refs: legacy
  - name: any-prefix
    match: {path: {prefix: /Any, ignore_case: true}}
    backend_refs: [{name: strict, url_rewrite: {path: {replace_prefix_match: /inner}}}]
  - name: judged
    match: {path: {prefix: /judged}}
    response_ok: {json_type: array}
    retry: {attempts: 1}
    fallback: {triggers: [not_ok, 500]}
    backend_refs: {legacy: 50, picky: 50}
  - {name: by-host, match: {hosts: ["*.example"], path: {prefix: /host}}, backend_refs: strict}
"""
PLAIN_TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1"}
routes: [{name: all, backend_refs: legacy}]
"""
UNSEEN_TABLE = """
version: 1
defaults:
  forwarded: {trusted_proxies: [192.0.2.0/28], via: off, allow_headers: [x-forwarded-prefix, x_under]}
backends: {legacy: "http://127.0.0.1:1"}
routes:
  - name: prefixed
    match: {path: {prefix: /prefixed}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - {name: all, backend_refs: legacy}
"""
TRUSTED, OTHER = "192.0.2.1", "192.0.2.99"


class Pair:
    """Two facades with one table: one with the quick way, one without."""

    def __init__(self, table: str, peer: str) -> None:
        self._runner = asyncio.Runner()
        self._both = [self._runner.run(_made(table, quick, peer)) for quick in (True, False)]

    @property
    def quick(self) -> InProcess:
        return self._both[0]

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


@pytest.fixture(scope="module", params=[TRUSTED, OTHER], ids=["trusted", "other"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(TABLE, request.param)
    yield pair
    pair.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Pair]:
    pair = Pair(PLAIN_TABLE, OTHER)
    yield pair
    pair.close()


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
        b"/ANY/Rest/%2e",
        b"/host",
    ),
)


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_both_ways_send_and_log_the_same(pair: Pair, more: bytes) -> None:
    for path in PATHS:
        for line in LINES:
            for draw_bp in (0, 9_999):
                raw = b"%b\r\n%b%b\r\n\r\n" % (line % path, FIELDS, more)
                assert len(pair.send(raw, draw_bp=draw_bp).lines) <= 1


@pytest.mark.parametrize("peer", [TRUSTED, OTHER])
def test_both_ways_leave_via_as_it_came(peer: str) -> None:
    pair = Pair(UNSEEN_TABLE, peer)
    for more in MORE.values():
        for path in (b"/", b"/prefixed/1"):
            seen = pair.send(b"GET %b HTTP/1.1\r\n%b%b\r\n\r\n" % (path, FIELDS, more))
            assert b"1.1 facade" not in repr(seen).encode()
    pair.close()


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"GET", b"DELETE"])
@pytest.mark.parametrize("body", [b"", b"x", b"x" * 5000, b"GET / HTTP/1.1\r\n\r\n"])
def test_both_ways_send_the_same_bodies(pair: Pair, method: bytes, body: bytes) -> None:
    for path in PATHS:
        head = b"%b %b HTTP/1.1\r\n%b\r\nContent-Length: %d\r\n\r\n"
        pair.send(head % (method, path, FIELDS, len(body)) + body)
        pair.send(head % (method, path, FIELDS, len(body)), body)
        pair.send(head % (method, path, FIELDS, len(body) + 1) + body)
        pair.send(head % (method, path, FIELDS, len(body)) + body + b"GET / HTTP/1.1\r\n\r\n")


GET = b"GET %b HTTP/1.1\r\n" + FIELDS + b"\r\n\r\n"
RESPONSES = (
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/inner\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nRefresh: 0; url=/inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://www.example:8080/inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: b=1\r\nSet-Cookie: uid=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Request-ID: r\r\nX-Facade-Decision: f\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nX-By: theirs\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 431 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 302 Found\r\nLocation: /prefixed/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
    b"nonsense\r\n\r\n",
)


@pytest.mark.parametrize("response", RESPONSES)
def test_both_ways_pass_the_same_responses_on(pair: Pair, response: bytes) -> None:
    for path in (
        *(b"/plain/1", b"/edited/1", b"/picky/1", b"/prefixed/1", b"/hidden", b"/renamed/1"),
        *(b"/shared/1", b"/values/1"),
    ):
        pair.send(GET % path, response=response)
        pair.send((GET % path).replace(b"HTTP/1.1", b"HTTP/1.0"), response=response)
        pair.send((GET % path).replace(b"GET", b"HEAD"), response=response)


def test_both_ways_serve_one_connection_in_turn(pair: Pair) -> None:
    pieces = (GET % b"/plain/1", GET % b"/plain/1", (GET % b"/a") * 3, GET % b"/read?q=1", b"GET")
    assert len(pair.send(*pieces).lines) == 6
    assert len(pair.send(GET % b"/%61", *pieces).lines) == 7
    assert len(pair.send(GET % b"/a" + b"GET /b", b" HTTP/1.1\r\nHost: h\r\n\r\n").lines) == 2


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_both_ways_do_the_same_with_hostile_requests(plain: Pair, case: Case) -> None:
    pieces = [piece for piece in case.pieces if piece]
    plain.send(*pieces)
    plain.send(b"".join(pieces))


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_both_ways_do_the_same_with_hostile_responses(plain: Pair, case: Hostile) -> None:
    for piece in case.pieces:
        if piece:
            plain.send(GET % b"/", response=piece)


def test_both_ways_do_the_same_with_random_requests(plain: Pair, pair: Pair) -> None:
    @_FUZZ
    @example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    @given(st.one_of(requests(), mutated(requests())))
    def same(data: bytes) -> None:
        plain.send(data)
        pair.send(data)

    same()


def test_both_ways_do_the_same_with_random_responses(plain: Pair) -> None:
    @_FUZZ
    @given(st.one_of(responses(), mutated(responses())))
    def same(data: bytes) -> None:
        if data:
            plain.send(GET % b"/", response=data)

    same()


@pytest.mark.parametrize("path", [b"/cohort/1", b"/ids/1"])
@pytest.mark.parametrize(
    "cookies",
    [
        *(b"uid=%d; beta=%d" % (number, number) for number in range(20)),
        *(b"", b"uid=", b"b=0f; c=1", b"c=1;b=0f", b" c=1 ;; b=0f", b"b=0f", b"c=1;d=2"),
        *(b"uid=" + b"x" * 5000, b"b=1; b=2", b"xb=1", b"b"),
    ],
)
def test_both_ways_find_the_same_bucket(pair: Pair, path: bytes, cookies: bytes) -> None:
    raw = b"GET %b HTTP/1.1\r\nHost: h\r\nCookie: %b\r\nX-User:\r\n\r\n" % (path, cookies)
    for _ in range(2):
        pair.send(raw, draw_bp=4_999)


@pytest.mark.parametrize("path", [b"/writers/1", b"/dark/1", b"/cohort/1"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "fields",
    [
        *(b"X-Choice: picky", b"X-Choice: legacy", b"X-Choice: nobody", b"X-Choice:", b"X-Choice-2: picky"),
        *(b"Cookie: choice=picky", b"Cookie: uid=7; choice=picky; a=1", b"Cookie: a=choice"),
        *(b"Cookie: facade_writes_writers=7000.picky; uid=7", b"Cookie: facade_writes_writers=70.x; uid=8"),
        *(b"Cookie: uid=7; facade_writes_other=1", b"Accept: */*"),
    ],
)  # fmt: skip
def test_both_ways_obey_the_same_choices(
    pair: Pair, path: bytes, method: bytes, fields: bytes
) -> None:
    raw = b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (method, path, fields)
    for _ in range(2):
        pair.send(raw, draw_bp=4_999)


def test_the_quick_way_is_taken(plain: Pair) -> None:
    """Else all of the above would compare the general way with itself."""
    before = len(plain.quick.known)
    plain.send(b"GET /taken HTTP/1.1\r\nHost: only.here\r\n\r\n")
    assert len(plain.quick.known) > before
