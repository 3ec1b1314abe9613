"""Pairs of table and request on the subjects of the Gateway API's conformance tests that a table could not say once.

docs/routes.md has their number. Facts only: subjects are those of the suite, tables and requests are our own.
"""

# ruff: noqa: E501 -- a row of a table stays on one line

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.config.load import load
from proxy.routing.decide import decide
from proxy.routing.mirrored_request import is_copied, mirror_of
from proxy.routing.resolve import resolve
from tests.make import at, facts
from tests.support.facade_in_process import InProcess

PAGE = (Path(__file__).parents[3] / "docs" / "routes.md").read_text()
HEAD = """\
version: 1
defaults: {forwarded: {trusted_proxies: [192.0.2.9]}}
backends: {v1: "http://127.0.0.1:1", v2: "http://127.0.0.1:2", v3: "http://127.0.0.1:3"}
routes:
"""


class Pair(NamedTuple):
    subject: str
    routes: str
    request: str
    """Method, target and fields. The host is a.example if none is given."""
    backend: str
    """Empty for a local reply."""
    expected: str
    """In the response or in the upstream request, as a line; empty if nothing more is expected."""
    absent: str = ""
    """A name that no line begins with."""


def cors(policy: str) -> str:
    return (
        f"- {{name: r, match: {{path: {{prefix: /api}}}}, cors: {{{policy}}}, backend_refs: v1}}\n"
    )


ONE = cors('allow_origins: ["https://www.example"], allow_methods: [GET, PUT], allow_headers: [x-a, x-b], expose_headers: [x-c], max_age: 1h')  # fmt: skip
WILD = cors('allow_origins: ["https://*.example"], allow_credentials: true')
ALL = cors('allow_origins: ["*"], allow_methods: ["*"], allow_headers: ["*"]')
PREFLIGHT = "OPTIONS /api/x|Origin: {}|Access-Control-Request-Method: PUT"
FROM_WWW, FROM_OTHER = PREFLIGHT.format("https://www.example"), PREFLIGHT.format("https://evil.test")  # fmt: skip
CORS = [
    Pair("CORS", ONE, FROM_WWW, "", "Access-Control-Allow-Origin: https://www.example"),
    Pair("CORS", ONE, FROM_WWW, "", "Access-Control-Allow-Methods: GET, PUT"),
    Pair("CORS", ONE, FROM_WWW, "", "Access-Control-Allow-Headers: x-a, x-b"),
    Pair("CORS", ONE, FROM_WWW, "", "Access-Control-Max-Age: 3600"),
    Pair("CORS", ONE, FROM_OTHER, "", "Vary: Origin", "Access-Control-Allow"),
    Pair("CORS", ONE, "GET /api/x|Origin: https://www.example", "v1", "Access-Control-Allow-Origin: https://www.example"),
    Pair("CORS", ONE, "GET /api/x|Origin: https://www.example", "v1", "Access-Control-Expose-Headers: x-c"),
    Pair("CORS", ONE, "GET /api/x|Origin: https://evil.test", "v1", "Vary: Origin", "Access-Control-Allow"),
    Pair("CORS", ONE, "GET /api/x", "v1", "Vary: Origin", "Access-Control-Allow"),
    Pair("CORS", ALL, FROM_OTHER, "", "Access-Control-Allow-Origin: *"),
    Pair("CORS", ALL, FROM_OTHER, "", "Access-Control-Allow-Methods: *"),
    Pair("CORS with credentials", WILD, FROM_WWW, "", "Access-Control-Allow-Origin: https://www.example"),
    Pair("CORS with credentials", WILD, FROM_WWW, "", "Access-Control-Allow-Credentials: true"),
    Pair("CORS with credentials", ALL, FROM_OTHER, "", "", "Access-Control-Allow-Credentials"),
]  # fmt: skip

SCHEMES = """\
- {name: to-https, match: {scheme: http, path: {prefix: /s}}, redirect: {status: 301, scheme: https}}
- {name: to-port, match: {scheme: http, path: {prefix: /p}}, redirect: {scheme: https, port: 8443}}
- {name: to-http, match: {scheme: https, path: {prefix: /h}}, redirect: {scheme: http}}
- {name: secure, match: {scheme: https}, backend_refs: v1}
- {name: rest, backend_refs: v2}
"""
HTTPS = "|X-Forwarded-Proto: https"
SCHEME = [
    Pair("redirect by scheme", SCHEMES, "GET /s/x?q=1", "", "Location: https://a.example/s/x?q=1"),
    Pair("redirect by scheme", SCHEMES, "GET /s/x" + HTTPS, "v1", ""),
    Pair("redirect of port and scheme", SCHEMES, "GET /p", "", "Location: https://a.example:8443/p"),
    Pair("redirect of port and scheme", SCHEMES, "GET /p" + HTTPS, "v1", ""),
    Pair("redirect of port and scheme", SCHEMES, "GET /h" + HTTPS, "", "Location: http://a.example/h"),
    Pair("listeners of two schemes", SCHEMES, "GET /x", "v2", ""),
]  # fmt: skip

SEVERAL = """\
- name: several
  match:
    - {path: {prefix: /v2}, headers: {version: two}}
    - {path: {exact: /exact}, methods: [POST]}
    - {query: {animal: whale}, hosts: [b.example]}
  backend_refs: v1
- {name: rest, backend_refs: v2}
"""
MATCHES = [
    Pair("several matches of a rule", SEVERAL, "GET /v2/x|Version: two", "v1", ""),
    Pair("several matches of a rule", SEVERAL, "POST /exact", "v1", ""),
    Pair("several matches of a rule", SEVERAL, "GET /?animal=whale|Host: b.example", "v1", ""),
    Pair("several matches of a rule", SEVERAL, "GET /exact|Version: two", "v2", ""),
]
AGREE = [*CORS, *SCHEME, *MATCHES]


class Copy(NamedTuple):
    """A request, its draw in hundredths of a per cent, and the backend that gets a copy; empty for none."""

    mirror: str
    request: str
    draw_bp: int
    backend: str


EACH, TENTH = "{}", "{percent: 10}"
COPIES = [
    Copy(EACH, "GET /m", 0, "v2"),
    Copy(EACH, "GET /m/x?q=1", 9_999, "v2"),
    Copy(EACH, "HEAD /m", 5_000, "v2"),
    Copy(EACH, "OPTIONS /m", 5_000, "v2"),
    Copy(EACH, "GET /other", 5_000, ""),
    Copy(EACH, "GET /mx", 5_000, ""),
    Copy(TENTH, "GET /m", 0, "v2"),
    Copy(TENTH, "GET /m", 5, "v2"),
    Copy(TENTH, "GET /m", 1_000, ""),
    Copy("{percent: 0}", "GET /m", 0, ""),
]
"""RequestMirror, and RequestMirror by percentage. Writes are not copied to a backend that has not asked for it (rule 5)."""

RETRIES = {
    "a retry by status": 6,
    "a retry after a failed connection": 2,
    "the backoff between retries": 2,
    "the number of attempts": 2,
}
"""They need backends: tests/integration/test_retries.py has them."""
CANNOT = {
    "several mirrors": 2,
    "listeners with ports of their own": 2,
    "a 421 for a connection of another certificate": 1,
    "client certificates of clients": 1,
    "a backend that speaks HTTP/2 without TLS": 1,
    "names of a backend's certificate, several": 1,
}
"""One mirror for each route; parts of a listener, which the balancer in front has; HTTP/2."""


def _sent(pair: Pair) -> bytes:
    line, *fields = pair.request.split("|")
    host = [] if any(each.startswith("Host:") for each in fields) else ["Host: a.example"]
    body = ["Content-Length: 0"] if line.startswith("POST") else []
    return "\r\n".join((f"{line} HTTP/1.1", *host, *fields, *body, "", "")).encode()


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "general"])
@pytest.mark.parametrize("pair", AGREE, ids=lambda pair: f"{pair.subject}: {pair.request}")
async def test_a_table_says_it_and_the_facade_does_it(pair: Pair, quick: bool) -> None:
    facade = InProcess(HEAD + pair.routes, quick=quick)
    seen = await facade.send(_sent(pair))
    assert [name for name, _ in seen.requests] == [pair.backend] * bool(pair.backend)
    lines = seen.client.decode().split("\r\n")
    assert pair.expected in ["", *lines]
    if pair.absent:
        assert not [line for line in lines if line.startswith(pair.absent)]
    facade.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("copy", COPIES)
def test_a_mirror_gets_the_copies_that_the_table_says(copy: Copy) -> None:
    routes = (
        "- {name: m, stage: shadow, match: {path: {prefix: /m}}, backend_refs: [v1, v2], "
        f"mirror: {copy.mirror}}}\n- {{name: rest, backend_refs: v3}}\n"
    )
    loaded = load((HEAD + routes).encode(), "t")
    method, _, target = copy.request.partition(" ")
    request = facts(target.partition("?")[0], method=method)
    matched = resolve(loaded.index, request).matched
    assert matched is not None
    decision = decide(loaded.table, matched, request, at(copy.draw_bp))
    copied = is_copied(mirror_of(decision.route), copy.draw_bp) if decision.mirrored_to else False
    assert (decision.mirrored_to if copied else ()) == ((copy.backend,) if copy.backend else ())


def test_the_page_has_the_numbers() -> None:
    retries, cannot = sum(RETRIES.values()), sum(CANNOT.values())
    agree = len(AGREE) + len(COPIES)
    whole = agree + retries + cannot
    section = PAGE.partition("## Beside the Gateway API\n")[2].partition("\n## ")[0]
    assert f"Of {whole} pairs" in section
    assert f"{agree} run in" in section
    assert f"{retries} about retries" in section
    assert f"{cannot} cannot be said" in section
    assert max(Counter(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)).values()) == 1
