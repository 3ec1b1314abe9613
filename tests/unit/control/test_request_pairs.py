"""Recorded requests from logs, HAR and lists of URLs, as they are sent to both backends."""

import json
from typing import Any

import pytest

from proxy.comparison.redaction import Redaction
from proxy.config.load import load
from proxy.control.replay.har import SentRequest, read_har, read_urls
from proxy.control.replay.log_reader import LogReader
from proxy.control.replay.request_pairs import PairCollector, RequestPair, route_to_compare
from proxy.control.table_file import snapshot_of
from proxy.errors import FacadeError

TABLE = b"""\
version: 1
backends:
  legacy: http://legacy:1
  new: {url: "http://new:1", preserve_host: false}
routes:
- name: list
  stage: shadow
  match: {path: {template: "/list/{id}/**"}}
  backend_refs:
  - {name: legacy, weight: 100}
  - {name: new, weight: 0, url_rewrite: {path: {template: "/v2/{id}/**"}}}
- {name: rest, backend_refs: legacy}
"""
SNAPSHOT = snapshot_of(load(TABLE, "routes.yaml"), TABLE, {}, 0.0)
LIST = route_to_compare(SNAPSHOT, "list")


def collector(limit: int = 100) -> PairCollector:
    return PairCollector(SNAPSHOT, LIST, Redaction(("query:who",)), limit)


def pair(target: str, *headers: tuple[str, str]) -> RequestPair:
    collected = collector()
    collected.take_sent(SentRequest("GET", "www.example", target, headers))
    return collected.pairs[0]


def test_each_backend_gets_the_request_by_its_own_rewrite() -> None:
    one = pair("/list/7/a%20b?x=1", ("accept", "*/*"), ("accept-encoding", "br"))
    assert (one.left.target, one.right.target) == (b"/list/7/a%20b?x=1", b"/v2/7/a%20b?x=1")
    assert (one.left.host, one.right.host) == (b"www.example", None)
    assert one.accept_encoding == b"br"
    assert one.case_request.headers == (("accept", "*/*"),)
    assert one.target == "/list/7/a%20b?x=1"
    assert pair("/list/7").accept_encoding is None
    assert pair("/list/7?").left.target == b"/list/7?"


def test_credentials_and_cookies_are_not_sent() -> None:
    secrets = ("authorization", "x"), ("cookie", "a=b"), ("x-api-key", "k")
    sent = pair("/list/7", *secrets, ("connection", "close"), ("x-a", "1"))
    for outgoing in (sent.left, sent.right):
        names = {name for name, _ in outgoing.headers}
        assert b"x-a" in names
        assert not names & {b"authorization", b"cookie", b"x-api-key", b"connection"}


def test_what_is_not_sent_is_counted() -> None:
    collected = collector(limit=2)
    for method, target in [
        ("GET", "/list/1"), ("GET", "/list/1"), ("HEAD", "/list/1"), ("POST", "/list/1"), ("OPTIONS", "/list/1"),
        ("GET", "/other"), ("GET", "/list/1?who=me"), ("GET", "/list/2"), ("GET", "/list/%2e%2e/%2e%2e"),
        ("GET", "/list/1?a=%28redacted%29&b=(redacted)"), ("GET", "/list/%252e%252e/x"),
    ]:  # fmt: skip
        collected.take_sent(SentRequest(method, "h", target))
    assert [(each.method, each.target) for each in collected.pairs] == [
        ("GET", "/list/1"), ("HEAD", "/list/1")
    ]  # fmt: skip
    assert (collected.unsafe, collected.secret, collected.left_out) == (2, 2, 1)
    assert collected.elsewhere == 3


def test_a_request_that_a_rewrite_cannot_take_is_left_out() -> None:
    text = TABLE.replace(b'"/v2/{id}/**"', b'"/v2/{query.v}/**"')
    snapshot = snapshot_of(load(text, "routes.yaml"), text, {}, 0.0)
    collected = PairCollector(snapshot, route_to_compare(snapshot, "list"), Redaction(), 10)
    collected.take_sent(SentRequest("GET", "h", "/list/1"))
    collected.take_sent(SentRequest("GET", "h", "/list/1?v=2"))
    assert [each.right.target for each in collected.pairs] == [b"/v2/2?v=2"]
    assert collected.elsewhere == 1


def test_access_logs() -> None:
    collected = collector()
    reader = LogReader(collected.take_logged)
    line = {
        "method": "GET",
        "host": "h",
        "target": "/list/1",
        "status": 200,
        "headers": {"accept": ["a"]},
    }
    text = (
        json.dumps(line)
        + '\n1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] "GET /list/2?a=b HTTP/1.1" 200 1\n'
    )
    reader.feed(text.encode())
    assert [each.target for each in collected.pairs] == ["/list/1", "/list/2?a=b"]  # fmt: skip
    assert [each.host for each in collected.pairs] == ["h", "localhost"]


def entry(url: Any, method: str = "GET") -> dict[str, Any]:
    headers = [{"name": ":path", "value": "/"}, {"name": "Accept", "value": "a", "comment": "x"}]
    return {"request": {"method": method, "url": url, "headers": headers}, "time": 1}


def test_a_har_file() -> None:
    urls = [
        "https://user@h.example:8443/list/1?a=b#top",
        "data:text/plain,x",
        "http://[bad/",
        "http://h",
        "http://h/\u00e9",
    ]
    har = {"log": {"version": "1.2", "entries": [entry(url) for url in urls]}}
    text = b"\xef\xbb\xbf" + json.dumps(har).encode()
    fields = (("accept", "a"),)
    assert list(read_har(text, "a.har")) == [
        SentRequest("GET", "h.example:8443", "/list/1?a=b", fields), SentRequest("GET", "h", "/", fields)
    ]  # fmt: skip
    for wrong in (b"{}", b"[", b"\xff", b"[" * 100_000):
        with pytest.raises(FacadeError, match=r"^facade: a\.har is no HAR file"):
            list(read_har(wrong, "a.har"))


def test_a_list_of_urls() -> None:
    text = b"# comment\n\n/list/1\r\n  https://h/list/2?x \n"
    assert list(read_urls(text, "u")) == [
        SentRequest("GET", "", "/list/1"), SentRequest("GET", "h", "/list/2?x")
    ]  # fmt: skip
    with pytest.raises(FacadeError, match=r"^facade: u, line 2: 'list' is no URL"):
        list(read_urls(b"/a\nlist", "u"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rest", "the route 'rest' has no newcomer to compare with"),
        ("lst", "there is no route 'lst': the table has list, rest"),
    ],
)
def test_a_route_that_cannot_be_compared(name: str, text: str) -> None:
    with pytest.raises(FacadeError, match=text):
        route_to_compare(SNAPSHOT, name)
